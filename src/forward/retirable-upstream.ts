import type { Duplex } from 'node:stream';
import type { Schedule } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type {
  UpgradeEnd,
  UpgradeRequest,
  Upstream,
  UpstreamAnswer,
  UpstreamRequest,
} from './upstream.ts';

/** An upstream that can leave the configuration while calls ride on it. */
export type RetirableUpstream = {
  /** Sends as the upstream does. Once it is closed, every `send` is refused with HOLDGATE_FORWARD_UNREACHABLE. */
  readonly upstream: Upstream;
  /** Keeps the upstream open for a call, also between its sends; call the answer when the call ended. */
  readonly use: () => () => void;
  /**
   * The upstream is configured no longer: it is closed as soon as nothing uses it, and after `drainMs` whatever still
   * does. Resolves when it is closed, with how many requests and answers were cut.
   */
  readonly retire: (drainMs: number) => Promise<number>;
};

const closedRefusal: Refusal = refusal(
  'HOLDGATE_FORWARD_UNREACHABLE',
  'the cluster was removed or changed in the configuration, and nothing more is sent to where it was',
);

/**
 * Counts what uses an upstream: calls (`use`), answers from `send` until their body ended or was aborted, and upgraded
 * connections until they close. Nothing is refused between the retirement and the close: a call that was read before it may send after it.
 */
export function createRetirableUpstream(inner: Upstream, schedule: Schedule): RetirableUpstream {
  const uses = new Uses(inner);
  let retired: Promise<number> | null = null;
  return {
    upstream: {
      send: (request) => uses.send(request),
      upgrade: (request) => uses.upgrade(request),
      close: () => uses.close(),
    },
    use: () => uses.use(),
    retire: (drainMs) => {
      retired ??= uses.idleWithin(drainMs, schedule).then(async () => {
        const cut = uses.underWay;
        await uses.close();
        return cut;
      });
      return retired;
    },
  };
}

/** What rides on an upstream, and its close. */
class Uses {
  readonly #inner: Upstream;
  readonly #answers = new Set<UpstreamAnswer>();
  readonly #sockets = new Set<Duplex>();
  #uses = 0;
  #closing: Promise<void> | null = null;
  #onIdle: () => void = () => {};
  /** Requests without an answer yet, answers under way and open connections. */
  underWay = 0;

  constructor(inner: Upstream) {
    this.#inner = inner;
  }

  use(): () => void {
    this.#uses += 1;
    return once(() => {
      this.#uses -= 1;
      if (this.#uses === 0) this.#onIdle();
    });
  }

  async send(request: UpstreamRequest): Promise<Result<UpstreamAnswer, Refusal>> {
    if (this.#closing !== null) return err(closedRefusal);
    const done = this.#begin();
    try {
      const sent = await this.#inner.send(request);
      if (!sent.ok) {
        done();
        return sent;
      }
      const answer = sent.value;
      // The close cannot have seen an answer that came while it ran.
      if (this.#closing !== null) answer.abort();
      this.#answers.add(answer);
      return ok(
        counted(answer, () => {
          this.#answers.delete(answer);
          done();
        }),
      );
    } catch (cause) {
      done();
      throw cause;
    }
  }

  async upgrade(request: UpgradeRequest): Promise<Result<UpgradeEnd, Refusal>> {
    if (this.#closing !== null) return err(closedRefusal);
    const done = this.#begin();
    try {
      const sent = await this.#inner.upgrade(request);
      if (!sent.ok || sent.value.kind === 'answer') {
        done();
        return sent;
      }
      const { socket } = sent.value;
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        done();
      });
      if (this.#closing !== null) socket.destroy();
      return sent;
    } catch (cause) {
      done();
      throw cause;
    }
  }

  /** Resolves when nothing uses the upstream, and after `drainMs` whatever still does. */
  idleWithin(drainMs: number, schedule: Schedule): Promise<void> {
    return new Promise((resolve) => {
      const cancel = schedule(drainMs, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
      if (this.#uses === 0) this.#onIdle();
    });
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const answer of this.#answers) answer.abort();
      for (const socket of this.#sockets) socket.destroy();
      await this.#inner.close();
    })();
    return this.#closing;
  }

  #begin(): () => void {
    const letGo = this.use();
    this.underWay += 1;
    return once(() => {
      this.underWay -= 1;
      letGo();
    });
  }
}

/** An answer may be aborted while it is piped: what is given back twice counts once. */
function once(run: () => void): () => void {
  let ran = false;
  return () => {
    if (ran) return;
    ran = true;
    run();
  };
}

/** The same answer, telling when its body is over: at its end, or when it is aborted. */
function counted(answer: UpstreamAnswer, done: () => void): UpstreamAnswer {
  return {
    status: answer.status,
    headers: answer.headers,
    pipe: (sink) => answer.pipe(sink).finally(done),
    read: (bytesMax) => answer.read(bytesMax).finally(done),
    abort: () => {
      answer.abort();
      done();
    },
  };
}
