const firstBytes = 1024;

/**
 * Bytes that come in parts and are kept until they are whole, up to a bound. Parts are copied: a part may be one byte of
 * a chunk of 64 KiB, and would keep all of it in memory, however small the bound.
 */
export class GatheredBytes {
  readonly #bytesMax: number;
  #buffer = Buffer.alloc(0);
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False: with this part there would be more than `bytesMax` bytes; nothing of it is kept. */
  add(part: Uint8Array): boolean {
    const length = this.#length + part.length;
    if (length > this.#bytesMax) return false;
    if (length > this.#buffer.length) {
      const size = Math.min(Math.max(length, this.#buffer.length * 2, firstBytes), this.#bytesMax);
      const larger = Buffer.alloc(size);
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
    return true;
  }

  /** What was gathered so far: a view. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was gathered. It begins anew; the buffer is the caller's. */
  take(): Buffer {
    const taken = this.bytes();
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }
}
