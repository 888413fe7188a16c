import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../../base/result.ts';
import { isPolicyFile, topicOf } from '../check-layout.ts';
import type { Compiled } from '../compile.ts';
import { hashSources, type PolicySources } from '../policy-sources.ts';
import { readArchive } from './archive.ts';
import { canonicalJson, canonicalMembers } from './canonical-json.ts';
import { outsideRoots, readManifest } from './manifest.ts';
import { signaturesFile, verifySignature, type Verification } from './signature.ts';

/** What a bundle holds for the gateway. */
export type Bundle = {
  /** The manifest's revision; empty where it has none. */
  readonly revision: string;
  readonly compiled: Compiled;
  /** Its Rego files and schemas, placed as in a policies folder, and its data as `<topic>/data.json`. */
  readonly sources: PolicySources;
  /** Whether any Rego file is in it. */
  readonly hasRego: boolean;
};

/** How bundles are trusted: by a signature, or not at all because the operator said `unsigned: true`. */
export type Trust = {
  readonly verification: Verification | null;
  /** Files that the signature does not cover; they are dropped before anything reads them. */
  readonly excludeFiles: readonly string[];
};

const wasmFile = 'policy.wasm';
const dataFile = 'data.json';
const manifestFile = '.manifest';

/**
 * Opens a bundle (`opa build --bundle --target wasm`, https://www.openpolicyagent.org/docs/management-bundles): bounds,
 * signature, manifest, data. Nothing of it is run, and nothing but the archive's frame is read before the signature is
 * found to be right. The error is one sentence.
 */
export async function openBundle(bytes: Uint8Array, trust: Trust): Promise<Result<Bundle, string>> {
  const archive = await readArchive(bytes);
  if (!archive.ok) return err(`the bundle is refused: ${archive.error}`);
  const excluded = new Set(trust.excludeFiles);
  const files = new Map([...archive.value].filter(([name]) => !excluded.has(name)));
  if (trust.verification !== null) {
    const verified = await verifySignature(files, trust.verification);
    if (!verified.ok) return verified;
  }
  files.delete(signaturesFile);
  return readBundle(files);
}

function readBundle(files: ReadonlyMap<string, Buffer>): Result<Bundle, string> {
  const wasm = files.get(wasmFile);
  if (wasm === undefined) {
    return err(`the bundle has no ${wasmFile}: make it with opa build --bundle --target wasm`);
  }
  if (files.has('patch.json')) return err('the bundle is a delta: only whole ones are taken');
  const strayData = [...files.keys()].find(
    (name) => name !== dataFile && /(^|\/)data\.(json|ya?ml)$/.test(name),
  );
  if (strayData !== undefined) {
    return err(`${strayData}: data is in ${dataFile} only, where opa build puts all of it`);
  }
  const manifestJson = canonicalJson(files.get(manifestFile) ?? Buffer.alloc(0));
  if (!manifestJson.ok) return err(`${manifestFile}: ${manifestJson.error}`);
  const manifest = readManifest(manifestJson.value);
  if (!manifest.ok) return err(`${manifestFile}: ${manifest.error}`);
  // What runs is the text that the signature's hash is over: OPA's parser and ours cannot read it differently.
  const data = canonicalJson(files.get(dataFile) ?? Buffer.from('{}'));
  if (!data.ok) return err(`${dataFile}: ${data.error}`);
  const value: unknown = JSON.parse(data.value);
  const topics = readTopics(data.value);
  if (!topics.ok) return topics;
  const stray = outsideRoots(value, manifest.value.roots);
  if (stray !== null) return err(`${dataFile}: ${stray} is outside the roots of ${manifestFile}`);
  const rego = sourceFiles(files);
  if (!rego.ok) return rego;
  const all = new Map([...rego.value, ...topics.value].sort(([a], [b]) => (a < b ? -1 : 1)));
  return ok({
    revision: manifest.value.revision,
    compiled: {
      wasm,
      data: data.value,
      hash: `sha256:${createHash('sha256').update(wasm).digest('hex')}`,
    },
    sources: { hash: hashSources(all), files: all },
    hasRego: [...rego.value.keys()].some((name) => name.endsWith('.rego')),
  });
}

/** Each topic of the data as the file that a policies folder would have it in. */
function readTopics(data: string): Result<ReadonlyMap<string, string>, string> {
  const members = canonicalMembers(data);
  if (members === null) return err(`${dataFile}: it is no object`);
  const topics = new Map<string, string>();
  for (const [name, text] of members) {
    const file = `${name}/data.json`;
    // Data under `rules` or `gate` would stand in for what the rules say.
    if (topicOf(file) !== name) {
      return err(`${dataFile}: ${JSON.stringify(name)} is no name for a topic of data`);
    }
    topics.set(file, `${text}\n`);
  }
  return ok(topics);
}

/**
 * The Rego files and schemas, at the places that they have in a policies folder: `opa build policies/` puts that folder's
 * name before each.
 */
function sourceFiles(
  files: ReadonlyMap<string, Buffer>,
): Result<ReadonlyMap<string, string>, string> {
  const gate = [...files.keys()].find((name) => /(^|\/)gate\/decision\.rego$/.test(name));
  const prefix = gate?.slice(0, -'gate/decision.rego'.length) ?? '';
  const sources = new Map<string, string>();
  for (const [name, bytes] of files) {
    const place = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (name === dataFile || !isPolicyFile(place)) continue;
    if (sources.has(place)) return err(`${place} is in the bundle twice`);
    try {
      sources.set(place, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return err(`${name}: it is not UTF-8`);
    }
  }
  return ok(sources);
}
