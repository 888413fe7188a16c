import {
  bundleNames,
  isInScope,
  isWhole,
  streamFolder,
  type Manifest,
} from '../bundle/manifest.ts';
import { readSmall, TarProblem, type TarFile } from '../bundle/tar.ts';
import type { Verifier } from '../signing/signed-note.ts';
import { openCertificate } from '../signing/stream-certificate.ts';
import type { Anchor } from './anchors.ts';
import { readAnchorsTable } from './anchors-table.ts';
import type { Findings } from './findings.ts';
import { LedgerCheck, type LedgerSummary } from './ledger-check.ts';
import { PartReader, type Beside, type PartTarget } from './part-reader.ts';
import { ProvenCheck } from './proven-check.ts';
import type { VerifyReport } from './report.ts';
import {
  StreamCheck,
  type Abandoned,
  type OpenedCertificate,
  type StreamSummary,
} from './stream-check.ts';
import type { CarriedCheckpoint } from './tree-check.ts';
import { UnsignedCheck } from './unsigned-check.ts';

const certificateBytesMax = 64 * 1024;
const anchorsBytesMax = 1024 * 1024;

/** Streams of a bundle: some for each process and day. */
const streamsCountMax = 200_000;

type BundleCheckOptions = {
  readonly deployment: string;
  readonly key: Verifier;
  readonly anchors: readonly Anchor[];
  readonly findings: Findings;
};

/** The folder that is being read: the ledger's, or a stream's. */
type Section = {
  readonly folder: string;
  readonly parts: PartReader;
  readonly end: () => void;
};

/** Puts together what is found in a bundle's files, in the order in which they stand. */
export class BundleCheck {
  readonly #options: BundleCheckOptions;
  #manifest: Manifest | null = null;
  #ledger: LedgerCheck | null = null;
  #ledgerSummary: LedgerSummary | null = null;
  #anchoredAt: VerifyReport['anchoredAt'] = [];
  #section: Section | null = null;
  #checkpoints = 0;
  readonly #folders = new Set<string>();
  readonly #streams = new Map<string, StreamSummary>();
  /** Size and root of whole streams, for what other streams say of them. */
  readonly #ends = new Map<string, { readonly size: number; readonly root: Buffer | null }>();
  readonly #abandoned: (Abandoned & { readonly by: string })[] = [];

  constructor(options: BundleCheckOptions) {
    this.#options = options;
  }

  begin(manifest: Manifest): void {
    this.#manifest = manifest;
    if (!isWhole(manifest.scope)) return;
    const ledger = new LedgerCheck({ ...this.#options, madeAt: manifest.madeAt });
    this.#ledger = ledger;
    this.#open(bundleNames.ledger, 'hashes', {
      checkpoints: (carried) => ledger.expectCheckpoints(carried),
      leaves: (lines, beside, at) => ledger.add(lines, hashesOf(beside), at),
      end: () => {
        this.#ledgerSummary = ledger.end();
      },
    });
  }

  /** Takes the next file of the bundle. */
  async file(file: TarFile): Promise<void> {
    if (file.name === bundleNames.anchors) {
      this.#anchoredAt = readAnchorsTable(await this.#small(file, anchorsBytesMax));
      return;
    }
    const folder = file.name.slice(0, file.name.lastIndexOf('/'));
    if (this.#section?.folder !== folder) {
      this.#endSection();
      await this.#stream(file, folder);
      return;
    }
    await this.#section.parts.read(file);
  }

  /** To be called at the end of a whole bundle; without it nothing is said of what is missing. */
  end(): void {
    this.#endSection();
    for (const known of this.#ledger?.streams.values() ?? []) {
      const { stream, openedAt, size } = known;
      if (openedAt === null || this.#manifest === null || this.#streams.has(stream)) continue;
      if (!isInScope(this.#manifest.scope, openedAt)) continue;
      const expected = `a stream of ${size} records or more, opened ${openedAt}, as the ledger says (its entry ${known.lastEntry})`;
      this.#options.findings.add('stream-deleted', { stream, seq: 0 }, expected, 'nothing of it');
    }
    this.#compareAbandoned();
  }

  report(): VerifyReport {
    const { findings, deployment } = this.#options;
    const streams = [...this.#streams.values()];
    const times = streams.flatMap(({ from, to }) =>
      from === null || to === null ? [] : [from, to],
    );
    const sorted = times.toSorted();
    const { tampered, unverifiable } = findings.counts;
    return {
      verdict: tampered > 0 ? 'tampered' : unverifiable > 0 ? 'unverifiable' : 'verified',
      deployment,
      madeAt: this.#manifest?.madeAt ?? null,
      madeBy: this.#manifest?.madeBy ?? null,
      scope: this.#manifest?.scope ?? null,
      counts: {
        records: streams.reduce((sum, one) => sum + one.records, 0),
        checkpoints: this.#checkpoints,
        streams: streams.length,
        findings: { ...findings.counts },
      },
      from: sorted[0] ?? null,
      to: sorted.at(-1) ?? null,
      ledger: this.#ledgerSummary,
      anchoredAt: this.#anchoredAt,
      streams,
      findings: findings.list,
    };
  }

  #open(
    folder: string,
    what: 'hashes' | 'proofs',
    target: PartTarget & { readonly end: () => void },
  ): void {
    this.#folders.add(folder);
    const counted: PartTarget = {
      checkpoints: (carried) => {
        this.#checkpoints += carried.length;
        target.checkpoints(carried);
      },
      leaves: target.leaves,
    };
    this.#section = { folder, parts: new PartReader(folder, what, counted), end: target.end };
  }

  #endSection(): void {
    const section = this.#section;
    if (section === null) return;
    if (!section.parts.isBetween) {
      throw new TarProblem('malformed', `${section.parts.nextName} is missing`);
    }
    this.#section = null;
    section.end();
  }

  async #stream(file: TarFile, folder: string): Promise<void> {
    const isStream = folder.startsWith(`${bundleNames.streams}/`);
    if (!isStream || this.#manifest === null || this.#folders.has(folder)) {
      throw new TarProblem('malformed', `${file.name} has no place in a bundle`);
    }
    if (this.#folders.size >= streamsCountMax) {
      throw new TarProblem('malformed', `it has over ${streamsCountMax} streams`);
    }
    const whole = isWhole(this.#manifest.scope);
    if (file.name !== `${folder}/certificate.note`) {
      const certificate = this.#inLedger(folder);
      if (certificate === null) this.#openUnsigned(folder, whole);
      else this.#openWhole(folder, certificate);
      await this.#section?.parts.read(file);
      return;
    }
    const note = await this.#small(file, certificateBytesMax);
    const certificate = openCertificate(note.toString('utf8'), this.#options.key);
    if (!certificate.ok || streamFolder(certificate.value.stream) !== folder) {
      const found = certificate.ok ? `that of ${certificate.value.stream}` : certificate.error;
      const expected = `a certificate of ${folder}, signed by the deployment's key`;
      const stream = folder.slice(bundleNames.streams.length + 1);
      this.#options.findings.add('certificate-wrong', { stream, seq: 0 }, expected, found);
      this.#openUnsigned(folder, whole);
      return;
    }
    const opened = { ...certificate.value, note: note.toString('utf8') };
    if (whole) this.#openWhole(folder, opened);
    else this.#openProven(folder, opened);
  }

  /** The certificate of a folder whose own is missing, its first record being one that was taken away. */
  #inLedger(folder: string): OpenedCertificate | null {
    for (const { stream, certificate } of this.#ledger?.streams.values() ?? []) {
      if (certificate === null || streamFolder(stream) !== folder) continue;
      const opened = openCertificate(certificate, this.#options.key);
      if (opened.ok) return { ...opened.value, note: certificate };
    }
    return null;
  }

  #openWhole(folder: string, certificate: OpenedCertificate): void {
    const { stream } = certificate;
    const { findings } = this.#options;
    const known = this.#ledger?.streams.get(stream) ?? null;
    if (known === null) {
      const found = 'it is newer than the ledger, or the ledger was not written';
      findings.add('stream-not-in-ledger', { stream }, 'the stream in the ledger', found);
    } else if (known.certificate !== null && known.certificate !== certificate.note) {
      const expected = 'the certificate that the ledger has';
      findings.add('fork', { stream, seq: 0 }, expected, 'another one of the same stream');
    }
    const check = new StreamCheck({
      certificate,
      known,
      findings,
      onAbandoned: (one) => {
        if (this.#abandoned.length < streamsCountMax) this.#abandoned.push({ ...one, by: stream });
      },
    });
    this.#open(folder, 'hashes', {
      checkpoints: (carried: readonly CarriedCheckpoint[]) => check.expectCheckpoints(carried),
      leaves: (lines, beside, at) => check.add(lines, hashesOf(beside), at),
      end: () => {
        this.#streams.set(stream, check.end());
        this.#ends.set(stream, { size: check.size, root: check.root() });
      },
    });
  }

  #openProven(folder: string, certificate: OpenedCertificate): void {
    const check = new ProvenCheck(certificate, this.#options.findings);
    this.#open(folder, 'proofs', {
      checkpoints: (carried) => check.expectCheckpoints(carried),
      leaves: (lines, beside, at) =>
        check.add(lines, beside.kind === 'proofs' ? beside.proofs : [], at),
      end: () => void this.#streams.set(certificate.stream, check.end()),
    });
  }

  #openUnsigned(folder: string, whole: boolean): void {
    const name = folder.slice(bundleNames.streams.length + 1);
    const check = new UnsignedCheck(name, this.#options.findings);
    this.#open(folder, whole ? 'hashes' : 'proofs', {
      checkpoints: () => {},
      leaves: (lines) => check.add(lines),
      end: () => {
        const summary = check.end();
        this.#streams.set(summary.stream, summary);
      },
    });
  }

  /** What a stream says of another one whose process was gone. */
  #compareAbandoned(): void {
    for (const { stream, size, root, by } of this.#abandoned) {
      const summary = this.#streams.get(stream);
      const end = this.#ends.get(stream);
      if (summary === undefined || end === undefined) continue;
      if (summary.end === 'open') this.#streams.set(stream, { ...summary, end: 'abandoned' });
      const isShort = end.size < size;
      const isOther = end.size === size && end.root !== null && !end.root.equals(root);
      if (!isShort && !isOther) continue;
      const expected = `${size} records with the root ${root.toString('base64')}, as stream ${by} says`;
      const found = isShort ? `${end.size} records` : 'another root';
      const kind = isShort ? 'stream-truncated' : 'records-changed';
      this.#options.findings.add(kind, { stream, seq: Math.min(end.size, size) }, expected, found);
    }
  }

  async #small(file: TarFile, bytesMax: number): Promise<Buffer> {
    const bytes = await readSmall(file, bytesMax);
    if (!bytes.ok) throw new TarProblem('malformed', bytes.error);
    return bytes.value;
  }
}

const hashesOf = (beside: Beside): Buffer =>
  beside.kind === 'hashes' ? beside.hashes : Buffer.alloc(0);
