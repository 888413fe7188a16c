import { createReadStream, openSync, readSync, closeSync } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errorText } from '../base/log.ts';
import { readAuditLog, type AuditLogItem } from '../record/index.ts';
import { CommandError, exitCodes } from './command.ts';

/** An event, or something that is not looked at. */
export type AuditFileItem = Exclude<AuditLogItem, { readonly kind: 'problem' }>;

/** What stands in the files of an audit log, packed by gzip or not, one after the other. What is unreadable is exit code 2. */
export async function* readAuditFiles(
  files: readonly string[],
): AsyncGenerator<AuditFileItem, void, void> {
  for (const file of files) {
    try {
      for await (const item of readAuditLog(chunksOf(file))) {
        if (item.kind === 'problem') throw unreadable(file, item.message);
        yield item;
      }
    } catch (cause) {
      throw cause instanceof CommandError ? cause : unreadable(file, errorText(cause));
    }
  }
}

const unreadable = (file: string, why: string): CommandError =>
  new CommandError(`${file} cannot be read as an audit log: ${why}`, exitCodes.usage);

function chunksOf(file: string): AsyncIterable<Uint8Array> {
  // Before the stream: one that nobody reads would end the process with its error.
  const isPacked = isGzip(file);
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  if (!isPacked) return stream as AsyncIterable<Buffer>;
  // Either end's failure is told by the reading of the other.
  return pipeline(stream, createGunzip(), () => {}) as AsyncIterable<Buffer>;
}

/** RFC 1952 §2.3.1: the first two bytes. */
function isGzip(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const head = Buffer.alloc(2);
    return readSync(descriptor, head, 0, 2, 0) === 2 && head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    closeSync(descriptor);
  }
}
