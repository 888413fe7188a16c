import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * A stream over a TCP socket, to put TLS on. TLS on the socket itself takes its handle over, and to reset that from below
 * crashes Node 20; over this the socket stays ours.
 */
export function overTcp(raw: Socket): Duplex {
  const stream = new Duplex({
    allowHalfOpen: false,
    read: () => void raw.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (raw.destroyed) done(new Error('the connection is gone'));
      else raw.write(chunk, (cause) => done(cause ?? null));
    },
    final: (done) => {
      raw.end();
      done();
    },
    destroy: (cause, done) => {
      raw.destroy();
      done(cause);
    },
  });
  raw.on('data', (chunk: Buffer) => {
    if (!stream.destroyed && !stream.push(chunk)) raw.pause();
  });
  raw.on('end', () => {
    if (!stream.destroyed) stream.push(null);
  });
  raw.on('error', () => {});
  raw.on('close', () => stream.destroy());
  stream.on('error', () => {});
  return stream;
}
