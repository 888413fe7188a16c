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
  const answers = new Set<UpstreamAnswer>();
  const sockets = new Set<Duplex>();
  let uses = 0;
  let underWay = 0;
  let retired: Promise<number> | null = null;
  let onIdle: () => void = () => {};
  let closing: Promise<void> | null = null;

  const use = (): (() => void) => {
    uses += 1;
    return once(() => {
      uses -= 1;
      if (uses === 0) onIdle();
    });
  };

  const close = (): Promise<void> => {
    closing ??= (async () => {
      for (const answer of answers) answer.abort();
      for (const socket of sockets) socket.destroy();
      await inner.close();
    })();
    return closing;
  };

  const send = async (request: UpstreamRequest): Promise<Result<UpstreamAnswer, Refusal>> => {
    if (closing !== null) return err(closedRefusal);
    const letGo = use();
    underWay += 1;
    const done = once(() => {
      underWay -= 1;
      letGo();
    });
    try {
      const sent = await inner.send(request);
      if (!sent.ok) done();
      if (!sent.ok) return sent;
      // The close cannot have seen an answer that came while it ran.
      if (closing !== null) sent.value.abort();
      answers.add(sent.value);
      return ok(
        counted(sent.value, () => {
          answers.delete(sent.value);
          done();
        }),
      );
    } catch (cause) {
      done();
      throw cause;
    }
  };

  const upgrade = async (request: UpgradeRequest): Promise<Result<UpgradeEnd, Refusal>> => {
    if (closing !== null) return err(closedRefusal);
    const letGo = use();
    underWay += 1;
    const done = once(() => {
      underWay -= 1;
      letGo();
    });
    const sent = await inner.upgrade(request).catch((cause: unknown) => {
      done();
      throw cause;
    });
    if (!sent.ok || sent.value.kind === 'answer') {
      done();
      return sent;
    }
    const { socket } = sent.value;
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      done();
    });
    if (closing !== null) socket.destroy();
    return sent;
  };

  const retire = (drainMs: number): Promise<number> => {
    retired ??= new Promise<void>((resolve) => {
      const cancel = schedule(drainMs, resolve);
      onIdle = () => {
        cancel();
        resolve();
      };
      if (uses === 0) onIdle();
    }).then(async () => {
      const cut = underWay;
      await close();
      return cut;
    });
    return retired;
  };

  return { upstream: { send, upgrade, close }, use, retire };
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
