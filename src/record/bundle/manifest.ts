import { z } from 'zod';

/** The version of the bundle's form; a verifier refuses what it does not know. */
export const bundleVersion = 1;

const day = z.iso.date();
const id = z.string().min(1).max(512);

/** What a bundle holds: whole streams (all, or those opened on some UTC days), or the records of some requests. */
const scope = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  /** UTC days of the streams' opening, both inclusive. */
  z.strictObject({ kind: z.literal('days'), from: day.nullable(), until: day.nullable() }),
  z.strictObject({ kind: z.literal('approval'), approval: id }),
  z.strictObject({ kind: z.literal('requests'), requests: z.array(id).min(1).max(1000) }),
]);

export type EvidenceScope = z.infer<typeof scope>;

export const manifestSchema = z.strictObject({
  v: z.literal(bundleVersion),
  deployment: z.string(),
  /** The public key by which the gateway says that it signs; a verifier goes by the one that it was given. */
  deploymentKey: z.string(),
  /** RFC 3339. */
  madeAt: z.iso.datetime({ precision: 3 }),
  /** The user name of who asked for it. */
  madeBy: z.string(),
  scope,
});

export type Manifest = z.infer<typeof manifestSchema>;

/** True where a stream that was opened then belongs into a bundle of whole streams. */
export function isInScope(of: EvidenceScope, openedAt: string): boolean {
  if (of.kind === 'all') return true;
  if (of.kind !== 'days') return false;
  const opened = openedAt.slice(0, 10);
  return (of.from === null || opened >= of.from) && (of.until === null || opened <= of.until);
}

/** Bundles of whole streams carry the ledger, others carry proofs. */
export const isWhole = (of: EvidenceScope): boolean => of.kind === 'all' || of.kind === 'days';

/** Names of a bundle's files, in their order. Parts are numbered from 1. */
export const bundleNames = {
  manifest: 'manifest.json',
  anchors: 'anchors.ndjson',
  seal: 'seal.note',
  ledger: 'ledger',
  streams: 'streams',
} as const;

/** `ledger/leaves-000001.ndjson`: the files of a part, in the order of the bundle. */
export const partNames = (folder: string, part: number) => {
  const number = String(part).padStart(6, '0');
  return {
    checkpoints: `${folder}/checkpoints-${number}.ndjson`,
    hashes: `${folder}/hashes-${number}.bin`,
    proofs: `${folder}/proofs-${number}.ndjson`,
    leaves: `${folder}/leaves-${number}.ndjson`,
  };
};

/** The folder of a stream. Ids are UUIDs; whatever else a database holds is made a name that an archive can have. */
export function streamFolder(stream: string): string {
  const name = encodeURIComponent(stream)
    .replaceAll('%', '~')
    .replace(/[!'()*]/g, '-');
  return `${bundleNames.streams}/${name.slice(0, 48).replace(/^\.+$/, '-')}`;
}

/** Leaves of one part. */
export const partLeavesMax = 1000;
