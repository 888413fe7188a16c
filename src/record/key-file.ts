import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DependencyError } from '../base/errors.ts';
import { errorText } from '../base/log.ts';
import { Secret } from '../base/secret.ts';

/** Characters of a key file: ours have under 300. */
const keyFileCharsMax = 4096;

/**
 * Reads a key's file, which `make` fills at the first start (mode 0600, whole and on disk before it has its name: no process
 * ever reads half a key, or two different ones). `problem` says what is wrong with a text, or null.
 * Rejects with a DependencyError that names `what` when the file cannot be read or made, is readable by everybody, or
 * holds no key.
 */
export async function loadKeyFile(key: {
  readonly file: string;
  readonly what: string;
  readonly make: () => Secret;
  readonly problem: (text: Secret) => string | null;
}): Promise<Secret> {
  const { file } = key;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await createOnce(file, key.make);
    const { mode } = await stat(file);
    if ((mode & 0o007) !== 0) throw new Error('everybody on this machine may use it: chmod 600 it');
    const text = new Secret((await readFile(file, 'utf8')).slice(0, keyFileCharsMax).trim());
    const problem = key.problem(text);
    if (problem !== null) throw new Error(`${problem}: restore it from a backup`);
    return text;
  } catch (cause) {
    throw new DependencyError(
      'HOLDGATE_RECORD_UNAVAILABLE',
      `the ${key.what} ${file} cannot be used: ${errorText(cause)}`,
      cause,
    );
  }
}

async function createOnce(file: string, make: () => Secret): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (exists) return;
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${make().reveal()}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
  } finally {
    await rm(draft, { force: true });
  }
}
