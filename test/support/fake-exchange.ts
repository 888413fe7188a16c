import type { Refusal } from '../../src/base/errors.ts';
import { ok } from '../../src/base/result.ts';
import type { Exchange } from '../../src/listen/index.ts';

export type FakeRequest = {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly upgrade?: string;
  readonly problem?: Refusal;
};

/** An exchange without a wire: what was answered can be read off it. */
export type FakeExchange = Exchange & {
  readonly answer: {
    status: number;
    headers: Record<string, string>;
    readonly chunks: Buffer[];
    ended: boolean;
    aborted: boolean;
  };
  readonly text: () => string;
  readonly json: () => Record<string, unknown>;
  readonly leave: () => void;
  readonly drain: () => void;
  /** Resolves when the answer ended or was broken off. */
  readonly finished: Promise<void>;
};

/** Makes an exchange that a test drives. Headers default to a bearer token that fakes take for the agent. */
export function fakeExchange(request: FakeRequest): FakeExchange {
  const gone = new AbortController();
  const draining = new AbortController();
  const answer: FakeExchange['answer'] = {
    status: 0,
    headers: {},
    chunks: [],
    ended: false,
    aborted: false,
  };
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const headers = { authorization: 'Bearer agent', ...request.headers };
  const text = (): string => Buffer.concat(answer.chunks).toString();
  return {
    method: request.method ?? 'GET',
    target: request.target,
    rawHeaders: Object.entries(headers).flat(),
    remoteAddress: '127.0.0.1',
    protocol: 'h2',
    upgrade: request.upgrade ?? null,
    problem: request.problem ?? null,
    readBody: () => Promise.resolve(ok(Buffer.from(request.body ?? ''))),
    respond: (status, sent) => {
      answer.status = status;
      answer.headers = Object.fromEntries(sent);
    },
    write: (chunk) => {
      answer.chunks.push(Buffer.from(chunk));
      return true;
    },
    onDrain: (resume) => setImmediate(resume),
    switchProtocols: null,
    end: (chunk) => {
      if (chunk !== undefined) answer.chunks.push(Buffer.from(chunk));
      answer.ended = true;
      finish();
    },
    abort: () => {
      answer.aborted = true;
      finish();
    },
    responded: () => answer.status !== 0,
    gone: gone.signal,
    draining: draining.signal,
    answer,
    text,
    json: () => JSON.parse(text()) as Record<string, unknown>,
    leave: () => {
      gone.abort();
      finish();
    },
    drain: () => draining.abort(),
    finished,
  };
}
