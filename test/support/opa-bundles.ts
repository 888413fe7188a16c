import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { npmOpa, opaArguments } from './opa.ts';
import { gateFiles } from './policy-fixtures.ts';

/** Bundles as a team's pipeline makes them: by the real opa. */
const run = promisify(execFile);

export type Files = Readonly<Record<string, string>>;
export type Archive = Map<string, Buffer>;

/** A folder that is gone when `use` has ended. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'holdgate-bundle-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function write(folder: string, files: Iterable<[string, string | Buffer]>): Promise<void> {
  for (const [name, content] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

export type Signing = {
  /** PEM of a private key, or a shared secret. */
  readonly key: string;
  readonly algorithm: string;
  /** Claims to add: `keyid`, `scope`. */
  readonly claims?: Readonly<Record<string, string>>;
};

async function signingArguments(folder: string, signing: Signing): Promise<string[]> {
  const isPem = signing.key.startsWith('-----');
  if (isPem) await writeFile(join(folder, 'key.pem'), signing.key);
  const args = ['--signing-alg', signing.algorithm];
  args.push('--signing-key', isPem ? join(folder, 'key.pem') : signing.key);
  if (signing.claims !== undefined) {
    await writeFile(join(folder, 'claims.json'), JSON.stringify(signing.claims));
    args.push('--claims-file', join(folder, 'claims.json'));
  }
  return args;
}

/** `opa build -b -t wasm …`: the bundle of a policies folder that has the real gate and these files. */
export function buildBundle(
  files: Files,
  options: {
    readonly revision?: string;
    readonly signing?: Signing;
    readonly args?: string[];
  } = {},
): Promise<Buffer> {
  return inFolder(async (root) => {
    const folder = join(root, 'policies');
    await write(folder, Object.entries({ ...gateFiles, ...files }));
    const args = ['build', '--bundle', '--target', 'wasm', '--output', join(root, 'out.tar.gz')];
    args.push('--entrypoint', 'gate/decision', '--entrypoint', 'gate/fetch');
    args.push('--ignore', '*_test.rego', ...(options.args ?? []));
    if (options.revision !== undefined) args.push('--revision', options.revision);
    if (options.signing !== undefined)
      args.push(...(await signingArguments(root, options.signing)));
    await run(npmOpa(), opaArguments([...args, '.']), { cwd: folder });
    return readFile(join(root, 'out.tar.gz'));
  });
}

/** `opa sign --bundle`: the `.signatures.json` of these files. */
export function signFiles(files: Archive, signing: Signing): Promise<Buffer> {
  return inFolder(async (root) => {
    const folder = join(root, 'bundle');
    await write(folder, files);
    const args = await signingArguments(root, signing);
    await run(npmOpa(), ['sign', ...args, '--bundle', '.', '-o', root], { cwd: folder });
    return readFile(join(root, '.signatures.json'));
  });
}

/** What is in an archive, names as they are there without the slash before. */
export async function unpack(bundle: Buffer): Promise<Archive> {
  const files: Archive = new Map();
  const reader = extract();
  reader.end(gunzipSync(bundle));
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry as AsyncIterable<Buffer>) parts.push(part);
    files.set(entry.header.name.replace(/^\//, ''), Buffer.concat(parts));
  }
  return files;
}

export type Entry = {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'fifo';
  readonly linkname?: string;
};

/** An archive of entries, gzipped, without any check of what they are. */
export async function packEntries(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? '');
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive as AsyncIterable<Buffer>) parts.push(part);
  return gzipSync(Buffer.concat(parts));
}

export const repack = (files: Archive): Promise<Buffer> =>
  packEntries([...files].map(([name, content]) => ({ name, content })));

/** A fresh pair of keys as PEM. */
export function keyPair(kind: 'rsa' | 'ec'): {
  readonly privateKey: string;
  readonly publicKey: string;
} {
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    // The forms that every OPA reads.
    privateKey: String(
      privateKey.export({ type: kind === 'rsa' ? 'pkcs1' : 'sec1', format: 'pem' }),
    ),
    publicKey: String(publicKey.export({ type: 'spki', format: 'pem' })),
  };
}
