import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { AnswerSink } from '../upstream.ts';

/** What the transport does for the body. */
export type BodyControl = {
  readonly pause: () => void;
  readonly resume: () => void;
  readonly abort: () => void;
};

type End = Result<number, Refusal>;

/**
 * What is kept of a body that nobody takes yet, before the transport is paused: a small answer is then here at once, and
 * its connection is free for the next request. One read of the transport's may come on top. Bytes.
 */
const earlyBytesMax = 64 * 1024;

/**
 * The body of an answer between transport and taker: held back until somebody takes it, then handed on with backpressure.
 * One taker, once.
 */
export class AnswerBody {
  readonly #control: BodyControl;
  readonly #early: Uint8Array[] = [];
  #sink: AnswerSink | null = null;
  #settle: ((end: End) => void) | null = null;
  #end: End | null = null;
  #bytes = 0;

  constructor(control: BodyControl) {
    this.#control = control;
  }

  /** From the transport: a part of the body. */
  data(chunk: Uint8Array): void {
    if (this.#end !== null) return;
    this.#bytes += chunk.length;
    if (this.#sink === null) {
      this.#early.push(chunk);
      if (this.#bytes > earlyBytesMax) this.#control.pause();
      return;
    }
    if (!this.#sink.write(chunk)) {
      this.#control.pause();
      this.#sink.onDrain(() => this.#control.resume());
    }
  }

  /** From the transport: the clean end. */
  finish(): void {
    this.#close(ok(this.#bytes));
  }

  /** From the transport: the answer broke off. */
  fail(cause: Refusal): void {
    this.#close(err(cause));
  }

  /** From the taker: no more is wanted. */
  abort(): void {
    this.#control.abort();
    this.#close(
      err(refusal('HOLDGATE_FORWARD_BROKEN', 'the answer was broken off by the gateway')),
    );
  }

  #close(end: End): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#settle?.(end);
  }

  /** Hands everything to `sink`; resolves with the byte count at a clean end, with a refusal at any other. */
  pipe(sink: AnswerSink): Promise<End> {
    this.#sink = sink;
    let more = true;
    for (const chunk of this.#early.splice(0)) more = sink.write(chunk);
    return new Promise((resolve) => {
      this.#settle = resolve;
      if (this.#end !== null) resolve(this.#end);
      else if (more) this.#control.resume();
      else sink.onDrain(() => this.#control.resume());
    });
  }

  /** Reads everything into memory; more than `bytesMax` is a refusal. */
  async read(bytesMax: number): Promise<Result<Buffer, Refusal>> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const end = await this.pipe({
      write: (chunk) => {
        bytes += chunk.length;
        if (bytes > bytesMax) this.abort();
        else chunks.push(chunk);
        return true;
      },
      onDrain: () => {},
    });
    if (bytes > bytesMax) {
      const what = `the cluster's answer is larger than ${bytesMax} bytes`;
      return err(refusal('HOLDGATE_MASK_ANSWER_UNREADABLE', `${what} and cannot be read whole`));
    }
    return end.ok ? ok(Buffer.concat(chunks, bytes)) : end;
  }
}
