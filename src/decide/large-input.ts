import { Worker } from 'node:worker_threads';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Entrypoint } from './compile.ts';
import { arrayBuffer, largeInputPages, memoryPages, type MachineCode } from './engine.ts';

/** Evaluates large inputs in a worker thread, one after another, each within a time limit. */
export type LargeInputs = {
  readonly evaluate: (entrypoint: Entrypoint, json: string) => Promise<Result<unknown, string>>;
  readonly close: () => Promise<void>;
};

/** About 15 µs a KB: 3 MiB take 50 ms. What takes longer than this never ends. Milliseconds. */
const evaluationMsMax = 5000;

/** Inputs that wait; each may be 3 MiB. */
const waitingMax = 32;

type Job = {
  readonly id: number;
  readonly entrypoint: Entrypoint;
  readonly json: string;
  readonly settle: (result: Result<unknown, string>) => void;
};

type Answer = { readonly id: number; readonly answer?: unknown; readonly error?: string };

/** The worker starts with the first input. It never keeps the process alive. */
export function createLargeInputs(code: MachineCode, limitMs = evaluationMsMax): LargeInputs {
  const queue = new EvaluationQueue(code, limitMs);
  return {
    evaluate: (entrypoint, json) => queue.add(entrypoint, json),
    close: () => queue.close(),
  };
}

class EvaluationQueue {
  readonly #code: MachineCode;
  readonly #limitMs: number;
  readonly #waiting: Job[] = [];
  #running: Job | null = null;
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #nextId = 1;
  #closed = false;

  constructor(code: MachineCode, limitMs: number) {
    this.#code = code;
    this.#limitMs = limitMs;
  }

  add(entrypoint: Entrypoint, json: string): Promise<Result<unknown, string>> {
    return new Promise((settle) => {
      if (this.#closed) settle(err('the policy is closed'));
      else if (this.#waiting.length >= waitingMax) settle(err('too many large inputs wait'));
      else {
        this.#waiting.push({ id: this.#nextId, entrypoint, json, settle });
        this.#nextId += 1;
        this.#startNext();
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.settle(err('the policy is closed'));
    this.#finish(err('the policy is closed'));
    await this.#stopWorker();
  }

  #startNext(): void {
    if (this.#running !== null || this.#closed) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running = job;
    this.#worker ??= this.#startWorker();
    this.#timer = setTimeout(() => {
      void this.#stopWorker();
      this.#finish(err(`the evaluation took longer than ${this.#limitMs} ms`));
    }, this.#limitMs);
    const input = arrayBuffer(job.json);
    const { id, entrypoint } = job;
    this.#worker.postMessage({ id, entrypoint, input }, [input]);
  }

  #finish(result: Result<unknown, string>): void {
    const job = this.#running;
    this.#running = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    job?.settle(result);
    this.#startNext();
  }

  #startWorker(): Worker {
    const { module, data } = this.#code;
    const worker = new Worker(new URL('./decide-worker.mjs', import.meta.url), {
      workerData: {
        module,
        data: arrayBuffer(data),
        pages: memoryPages(Buffer.byteLength(data), largeInputPages),
      },
      // The worker needs nothing of our environment or arguments.
      env: {},
      execArgv: [],
    });
    worker.unref();
    worker.on('message', (message: Answer) => {
      if (message.id !== this.#running?.id) return;
      this.#finish(message.error === undefined ? ok(message.answer) : err(message.error));
    });
    worker.on('error', (cause) => this.#workerDied(worker, `failed: ${errorText(cause)}`));
    worker.on('exit', (code) => this.#workerDied(worker, `ended with code ${code}`));
    return worker;
  }

  /** A worker that we stopped ourselves is no longer the current one, and has nothing more to say. */
  #workerDied(worker: Worker, how: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#finish(err(`the policy worker ${how}`));
  }

  async #stopWorker(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}
