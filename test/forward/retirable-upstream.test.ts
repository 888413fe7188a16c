import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import type { Refusal } from '../../src/base/errors.ts';
import { createRetirableUpstream } from '../../src/forward/retirable-upstream.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../src/forward/index.ts';
import { createManualTime } from '../support/manual-time.ts';

const request: UpstreamRequest = {
  method: 'GET',
  target: '/api/v1/pods',
  headers: [],
  body: null,
  auditId: 'audit-1',
  longRunning: true,
  signal: new AbortController().signal,
};
const upgradeOf = ({ body: _body, longRunning: _long, ...rest }: typeof request) => ({
  ...rest,
  offer: { transport: 'websocket', protocols: ['v5.channel.k8s.io'], key: '' } as const,
});
const sink = { write: () => true, onDrain: () => {} };
const brokenOff = refusal('HOLDGATE_FORWARD_BROKEN', 'broken off');
const drainMs = 15_000;

/** An upstream whose answers end when the test says so. */
function world() {
  const time = createManualTime();
  const events: string[] = [];
  let end: (how: Result<number, Refusal>) => void = () => {};
  let answerNow: () => void = () => {};
  const gate = { wait: false, refuse: false };
  const socket = new PassThrough();
  const inner: Upstream = {
    send: async () => {
      if (gate.wait) await new Promise<void>((resolve) => (answerNow = resolve));
      if (gate.refuse) return err(brokenOff);
      const ended = new Promise<Result<number, Refusal>>((resolve) => (end = resolve));
      const answer: UpstreamAnswer = {
        status: 200,
        headers: [],
        pipe: () => ended,
        read: async () => {
          const how = await ended;
          return how.ok ? ok(Buffer.alloc(0)) : how;
        },
        abort: () => {
          events.push('aborted');
          end(err(brokenOff));
        },
      };
      return ok(answer);
    },
    upgrade: () => {
      const switched = {
        kind: 'switched',
        headers: [],
        socket,
        head: Buffer.alloc(0),
        protocol: 'v5.channel.k8s.io',
      } as const;
      return Promise.resolve(gate.refuse ? err(brokenOff) : ok(switched));
    },
    close: () => {
      events.push('closed');
      return Promise.resolve();
    },
  };
  socket.on('close', () => events.push('socket closed'));
  const retirable = createRetirableUpstream(inner, time.schedule);
  const answer = async (): Promise<UpstreamAnswer> => {
    const sent = await retirable.upstream.send(request);
    if (!sent.ok) throw new Error(sent.error.message);
    return sent.value;
  };
  return {
    ...retirable,
    advance: time.advance,
    pending: time.pending,
    events,
    gate,
    socket,
    answer,
    answerNow: () => answerNow(),
    end: () => end(ok(1)),
    breakOff: () => end(err(brokenOff)),
  };
}

/** Lets everything that can go on go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an upstream that was let go', () => {
  test('is closed at once where nothing uses it, and its timer with it', async () => {
    const one = world();
    expect(await one.retire(drainMs)).toBe(0);
    expect(one.events).toEqual(['closed']);
    expect(one.pending()).toEqual([]);
  });

  test.each<{ name: string; begin: (one: ReturnType<typeof world>) => Promise<() => unknown> }>([
    {
      name: 'a call that has sent nothing yet',
      begin: (one) => Promise.resolve(one.use()),
    },
    {
      name: 'an answer that is piped, until its end',
      begin: async (one) => {
        void (await one.answer()).pipe(sink);
        return one.end;
      },
    },
    {
      name: 'an answer that is piped, until it breaks off',
      begin: async (one) => {
        void (await one.answer()).pipe(sink);
        return one.breakOff;
      },
    },
    {
      name: 'a session, until its connection closes',
      begin: async (one) => {
        await one.upstream.upgrade(upgradeOf(request));
        return () => {
          one.socket.destroy();
          return settle();
        };
      },
    },
    {
      name: 'an answer that is read',
      begin: async (one) => {
        void (await one.answer()).read(10);
        return one.end;
      },
    },
    {
      name: 'an answer whose body nobody took yet, until it is aborted',
      begin: async (one) => {
        const answer = await one.answer();
        return () => answer.abort();
      },
    },
    {
      name: 'a request that has no answer yet, until that one is refused',
      begin: (one) => {
        Object.assign(one.gate, { wait: true, refuse: true });
        void one.upstream.send(request);
        return Promise.resolve(one.answerNow);
      },
    },
  ])('stays open for $name', async ({ begin }) => {
    const one = world();
    const end = await begin(one);
    const retired = one.retire(drainMs);
    await settle();
    expect(one.events).not.toContain('closed');
    end();
    expect(await retired).toBe(0);
    expect(one.events.at(-1)).toBe('closed');
  });

  test('still sends for a call that was there before', async () => {
    const one = world();
    const done = one.use();
    const retired = one.retire(drainMs);
    const answer = await one.answer();
    done();
    await settle();
    expect(one.events).toEqual([]);
    const piped = answer.pipe(sink);
    one.end();
    expect(await piped).toEqual(ok(1));
    expect(await retired).toBe(0);
  });

  test('is closed for all uses only, however often one is given back', async () => {
    const one = world();
    const first = one.use();
    one.use();
    const retired = one.retire(drainMs);
    first();
    first();
    await settle();
    expect(one.events).toEqual([]);
    one.advance(drainMs);
    // A call that sends nothing at that moment is not cut.
    expect(await retired).toBe(0);
    expect(one.events).toEqual(['closed']);
  });

  test('cuts what goes on after the drain, and then sends nothing more', async () => {
    const one = world();
    const piped = (await one.answer()).pipe(sink);
    const retired = one.retire(drainMs);
    one.advance(drainMs - 1);
    await settle();
    expect(one.events).toEqual([]);
    one.advance(1);
    expect(await retired).toBe(1);
    expect(one.events).toEqual(['aborted', 'closed']);
    expect((await piped).ok).toBe(false);
    const late = await one.upstream.send(request);
    expect(late).toMatchObject({ ok: false, error: { code: 'HOLDGATE_FORWARD_UNREACHABLE' } });
  });

  test('aborts an answer that comes while it closes', async () => {
    const one = world();
    one.gate.wait = true;
    const sending = one.upstream.send(request);
    const retired = one.retire(drainMs);
    one.advance(drainMs);
    await retired;
    one.answerNow();
    await sending;
    expect(one.events).toEqual(['closed', 'aborted']);
  });
});

test('an upstream that is in force is not closed when nothing uses it', async () => {
  const one = world();
  one.use()();
  await settle();
  expect(one.events).toEqual([]);
});
