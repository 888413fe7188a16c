import { Duplex } from 'node:stream';

/** One end of an in-memory connection: what is written at one end is read at the other, with backpressure. */
class PairEnd extends Duplex {
  peer: PairEnd | null = null;
  #unblock: (() => void) | null = null;

  override _read(): void {
    const unblock = this.#unblock;
    this.#unblock = null;
    unblock?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { peer } = this;
    if (peer === null || peer.destroyed) return done();
    // The other end's buffer is full: the write is done when it is read.
    if (peer.push(chunk)) process.nextTick(done);
    else peer.#unblock = done;
  }

  override _final(done: () => void): void {
    this.peer?.push(null);
    done();
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    const { peer } = this;
    if (peer !== null && !peer.destroyed && !this.writableFinished) {
      process.nextTick(() => peer.destroy(new Error('the other end was broken off')));
    }
    this.#unblock?.();
    if (peer !== null) peer.#unblock?.();
    done(cause);
  }
}

/** Two ends of an in-memory connection, which stay half-open as an upgraded HTTP socket does. */
export function duplexPair(highWaterMark = 64 * 1024): readonly [Duplex, Duplex] {
  const [a, b] = [0, 1].map(() => new PairEnd({ highWaterMark, allowHalfOpen: true }));
  if (a === undefined || b === undefined) throw new Error('unreachable');
  a.peer = b;
  b.peer = a;
  return [a, b];
}
