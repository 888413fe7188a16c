import type { Readable } from 'node:stream';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';

/** How long a client may take to send its body: 3 MiB at a modem's pace. Milliseconds. */
const bodyTimeoutMs = 60_000;

/**
 * Reads a request's body into memory. More than `bytesMax`, a body that breaks off, and one that takes longer than a
 * minute are refusals. What is too large is not read to its end.
 */
export function readWholeBody(
  stream: Readable,
  bytesMax: number,
  declared: number,
): Promise<Result<Buffer, Refusal>> {
  const tooLarge = (bytes: number): Result<Buffer, Refusal> =>
    err(refusal('HOLDGATE_LISTEN_BODY_TOO_LARGE', `the request body has ${bytes} bytes or more`));
  if (declared > bytesMax) return Promise.resolve(tooLarge(declared));
  const incomplete = (why: string): Result<Buffer, Refusal> =>
    err(refusal('HOLDGATE_LISTEN_BODY_INCOMPLETE', `the request body is incomplete: ${why}`));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (result: Result<Buffer, Refusal>): void => {
      clearTimeout(timer);
      stream.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError);
      // Errors that come later belong to nobody: without a listener they would end the process.
      stream.on('error', () => {});
      if (!result.ok) stream.pause();
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) settle(tooLarge(bytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle(ok(Buffer.concat(chunks, bytes)));
    const onClose = (): void => settle(incomplete('the client closed the connection'));
    const onError = (): void => settle(incomplete('the connection broke'));
    const timer = setTimeout(
      () => settle(incomplete(`it did not arrive within ${bodyTimeoutMs / 1000} s`)),
      bodyTimeoutMs,
    );
    stream.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onError);
  });
}
