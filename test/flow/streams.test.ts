import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { DependencyError, refusal } from '../../src/base/errors.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import type { Refusal } from '../../src/base/errors.ts';
import type { Decision, HoldElement, PolicyInput } from '../../src/decide/index.ts';
import type { UpgradeEnd } from '../../src/forward/index.ts';
import type { Approval, Approvals } from '../../src/hold/index.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import { webSocketFrame } from '../../src/forward/streams/websocket/websocket-frames.ts';
import { duplexPair } from '../forward/streams/duplex-pair.ts';
import { fakeExchange, type FakeExchange } from '../support/fake-exchange.ts';
import { decision, flowWorld, scriptedAnswer, type WorldOptions } from '../support/flow-world.ts';
import { approvalOf, requirement } from '../support/hold-fixtures.ts';

const EXEC = '/api/v1/namespaces/payments/pods/checkout/exec?command=sh&stdin=true&stdout=true';
const BINARY = 2;
const CLOSE = 8;

const webSocketHeaders = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'v5.channel.k8s.io',
  'kubectl-session': 'one-command',
};
const spdyHeaders = {
  connection: 'Upgrade',
  upgrade: 'SPDY/3.1',
  'x-stream-protocol-version': 'v4.channel.k8s.io',
  'kubectl-session': 'one-command',
};

/** Ends that break off are what some of these tests are about. */
function connection(): ReturnType<typeof duplexPair> {
  const pair = duplexPair();
  for (const end of pair) end.on('error', () => {});
  return pair;
}

/** An upgrade request whose connection a test holds the other end of. */
function upgradeRequest(wire: 'websocket' | 'spdy' = 'websocket'): {
  readonly exchange: FakeExchange;
  readonly peer: Duplex;
} {
  const [socket, peer] = connection();
  const headers = wire === 'websocket' ? webSocketHeaders : spdyHeaders;
  const request = { target: EXEC, headers, upgrade: headers.upgrade };
  const made = fakeExchange({ ...request, method: wire === 'websocket' ? 'GET' : 'POST' });
  const exchange: FakeExchange = {
    ...made,
    switchProtocols: (sent) => {
      made.respond(101, sent);
      return { socket, head: Buffer.alloc(0) };
    },
  };
  return { exchange, peer };
}

/** What the cluster does with an upgrade; `peer` is its end of the connection. */
function cluster(): {
  readonly peer: Duplex;
  readonly upgrade: () => Promise<Result<UpgradeEnd, Refusal>>;
} {
  const [socket, peer] = connection();
  return {
    peer,
    upgrade: () =>
      Promise.resolve(
        ok({
          kind: 'switched' as const,
          headers: [],
          socket,
          head: Buffer.alloc(0),
          protocol: 'v5.channel.k8s.io',
        }),
      ),
  };
}

const notUpgraded = (status: number): Promise<Result<UpgradeEnd, Refusal>> =>
  Promise.resolve(
    ok({
      kind: 'answer' as const,
      status,
      headers: [
        ['content-type', 'application/json'],
        ['retry-after', '1'],
      ] as const,
      body: Buffer.from('{"kind":"Status"}'),
    }),
  );

const kinds = (records: readonly RecordEntry[]): string[] => records.map((one) => one.kind);
const outcomeOf = (records: readonly RecordEntry[]) =>
  records.find((one) => one.kind === 'outcome');

const hold: HoldElement = {
  rule: 'protected',
  id: 'exec',
  reason: 'a person agrees first',
  approvers: ['oncall'],
  quorum: 1,
  decideWithinSeconds: 0,
  onlyIfAllowed: false,
  askReason: false,
  risk: '',
};
const held = decision({ verdict: 'hold', because: [hold], holds: [hold] });
const byGrant = (input: PolicyInput): Decision => (input.grants.length > 0 ? decision() : held);

const podOf = (uid: string, imageID: string) => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'checkout', uid, resourceVersion: '1' },
  status: { containerStatuses: [{ name: 'app', image: 'app:1', imageID }] },
});

/** Approvals that are granted at once, and remember what was asked for and how they ended. */
function granting(guard: Approval['guard'], state: Approval['state'] = 'APPROVED') {
  const finished: string[] = [];
  const digests: string[] = [];
  const requirements = [requirement('exec', ['oncall'])];
  const approval = approvalOf({ state, guard, requirements, votes: [] });
  const approvals: Partial<Approvals> = {
    open: (request) => {
      digests.push(request.digest);
      return Promise.resolve(ok({ ...approval, guard: request.guard }));
    },
    claim: () =>
      Promise.resolve(ok({ approval: { ...approval, digest: digests.at(-1) ?? '' }, fence: 1 })),
    finish: (_claim, end) => {
      finished.push(end);
      return Promise.resolve();
    },
  };
  return { approvals, finished, digests };
}

async function serve(options: WorldOptions, exchange: FakeExchange) {
  const world = flowWorld(options);
  await world.handle(exchange);
  return world;
}

describe('a session', () => {
  test('is decided on record before the cluster hears of it, and its outcome says what passed', async () => {
    const { exchange, peer } = upgradeRequest();
    const there = cluster();
    const seen: string[][] = [];
    const world = flowWorld({
      upgrade: () => {
        seen.push(kinds(world.records));
        return there.upgrade();
      },
    });
    const done = world.handle(exchange);
    peer.write(webSocketFrame('client', BINARY, Buffer.from('\u0000ls\n')));
    const up = await read(there.peer, 5);
    expect(up[0]).toBe(0x82);
    const status = JSON.stringify({ kind: 'Status', status: 'Success' });
    there.peer.write(webSocketFrame('server', BINARY, Buffer.from('\u0001files\n')));
    there.peer.write(webSocketFrame('server', BINARY, Buffer.from(`\u0003${status}`)));
    there.peer.write(webSocketFrame('server', CLOSE, Buffer.from([0x03, 0xe8])));
    await done;
    expect(seen).toEqual([['decision']]);
    expect(exchange.answer.status).toBe(101);
    expect(exchange.answer.headers['sec-websocket-protocol']).toBe('v5.channel.k8s.io');
    expect(exchange.answer.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(outcomeOf(world.records)).toMatchObject({
      status: 101,
      upstreamStatus: 101,
      endedBy: 'upstream',
      complete: true,
      session: {
        wire: 'channels',
        protocol: 'v5.channel.k8s.io',
        bytes: { 'up/stdin': 3, 'down/stdout': 6, 'down/error': status.length },
        exitCode: 0,
        detail: '',
      },
    });
  });

  test('whose outcome cannot be recorded leaves all of it in the log', async () => {
    const { exchange, peer } = upgradeRequest();
    const there = cluster();
    const world = flowWorld({ upgrade: there.upgrade });
    const done = world.handle(exchange);
    peer.write(webSocketFrame('client', BINARY, Buffer.from('\u0000ls\n')));
    await read(there.peer, 5);
    world.broken.recorder = true;
    there.peer.write(webSocketFrame('server', CLOSE, Buffer.from([0x03, 0xe8])));
    await done;
    await read(peer, 0);
    const line = world.logs.find((one) => one.includes('an outcome could not be recorded')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({
      status: 101,
      ended_by: 'upstream',
      complete: true,
      session: { wire: 'channels', bytes: { 'up/stdin': 3 } },
    });
  });

  const broken = [
    {
      name: 'the decision cannot be recorded',
      break: { recorder: true },
      upgrade: cluster().upgrade,
      http: 503,
      code: 'HOLDGATE_RECORD_UNAVAILABLE',
      upgrades: 0,
    },
    {
      name: 'the cluster cannot be reached',
      break: {},
      upgrade: () =>
        Promise.resolve(err(refusal('HOLDGATE_FORWARD_UNREACHABLE', 'cannot connect'))),
      http: 503,
      code: 'HOLDGATE_FORWARD_UNREACHABLE',
      upgrades: 1,
    },
  ];
  test.each(broken)(
    'is refused where $name',
    async ({ break: what, upgrade, http, code, upgrades }) => {
      let asked = 0;
      const { exchange } = upgradeRequest();
      const world = flowWorld({
        upgrade: () => {
          asked += 1;
          return upgrade();
        },
      });
      Object.assign(world.broken, what);
      await world.handle(exchange);
      expect(exchange.answer.status).toBe(http);
      expect(String(exchange.json()['message'])).toContain(code);
      expect(asked).toBe(upgrades);
    },
  );

  test("the cluster's own refusal is passed on whole", async () => {
    const { exchange } = upgradeRequest();
    const world = await serve({ upgrade: () => notUpgraded(404) }, exchange);
    expect(exchange.answer).toMatchObject({ status: 404, ended: true });
    expect(exchange.answer.headers['retry-after']).toBe('1');
    expect(outcomeOf(world.records)).toMatchObject({ upstreamStatus: 404, session: null });
  });
});

/** kubectl's two tries of one command. */
describe('a WebSocket try and its SPDY fallback are one command', () => {
  test('what the first was told, the second is told, without asking policy or people again', async () => {
    const { approvals, digests } = granting({ kind: 'none' }, 'DENIED');
    const world = flowWorld({
      decide: byGrant,
      upstream: () => scriptedAnswer({ body: podOf('u-1', 'sha256:a') }),
      approvals,
    });
    const first = upgradeRequest('websocket').exchange;
    await world.handle(first);
    const inputs = world.inputs.length;
    const second = upgradeRequest('spdy').exchange;
    await world.handle(second);
    expect(first.answer.status).toBe(403);
    expect(second.answer.status).toBe(403);
    expect(digests).toHaveLength(1);
    expect(world.inputs).toHaveLength(inputs);
    expect(kinds(world.records).filter((kind) => kind === 'decision')).toHaveLength(2);
  });

  test('a third try asks anew', async () => {
    const { approvals, digests } = granting({ kind: 'none' }, 'DENIED');
    const world = flowWorld({
      decide: byGrant,
      upstream: () => scriptedAnswer({ body: podOf('u-1', 'sha256:a') }),
      approvals,
    });
    for (const wire of ['websocket', 'spdy', 'spdy'] as const) {
      // eslint-disable-next-line no-await-in-loop -- one after the other, as kubectl does it
      await world.handle(upgradeRequest(wire).exchange);
    }
    expect(digests).toHaveLength(2);
    expect(digests[0]).toBe(digests[1]);
  });

  test('a WebSocket that the cluster does not take leaves the approval to the fallback', async () => {
    const guard = await guardOf(podOf('u-1', 'sha256:a'));
    const { approvals, finished, digests } = granting(guard);
    const there = cluster();
    let tries = 0;
    const world = flowWorld({
      decide: byGrant,
      upstream: () => scriptedAnswer({ body: podOf('u-1', 'sha256:a') }),
      approvals,
      upgrade: () => {
        tries += 1;
        return tries === 1 ? notUpgraded(429) : there.upgrade();
      },
    });
    const first = upgradeRequest('websocket').exchange;
    await world.handle(first);
    expect(first.answer.status).toBe(503);
    expect(first.answer.headers['retry-after']).toBeUndefined();
    expect(finished).toEqual([]);
    const second = upgradeRequest('spdy');
    const done = world.handle(second.exchange);
    await read(second.peer, 0);
    second.peer.destroy();
    await done;
    expect(second.exchange.answer.status).toBe(101);
    expect(finished).toEqual(['EXECUTED']);
    expect(digests).toHaveLength(1);
  });
});

describe('the fallback of an approved session', () => {
  /** The WebSocket try is approved and not taken by the cluster; what `before` does comes between the two tries. */
  async function fallback(before: (set: { holds: HoldElement; recorder: boolean }) => void) {
    const guard = await guardOf(podOf('u-1', 'sha256:a'));
    const { approvals, finished } = granting(guard);
    const now = { holds: hold, recorder: false };
    let upgrades = 0;
    const world = flowWorld({
      decide: (input) =>
        input.grants.length > 0
          ? decision()
          : decision({ verdict: 'hold', because: [now.holds], holds: [now.holds] }),
      upstream: () => scriptedAnswer({ body: podOf('u-1', 'sha256:a') }),
      approvals,
      upgrade: () => {
        upgrades += 1;
        return notUpgraded(400);
      },
    });
    await world.handle(upgradeRequest('websocket').exchange);
    before(now);
    world.broken.recorder = now.recorder;
    const { exchange } = upgradeRequest('spdy');
    await world.handle(exchange);
    return { finished, exchange, upgrades };
  }

  test('opens nothing where policy asks for other people by now', async () => {
    const { finished, exchange, upgrades } = await fallback((now) => {
      now.holds = { ...hold, approvers: ['security'] };
    });
    expect(finished).toEqual(['STALE']);
    expect(exchange.answer.status).toBe(403);
    expect(upgrades).toBe(1);
  });

  test('ends the claim where its decision cannot be recorded: it must not stay open for ever', async () => {
    const { finished, exchange, upgrades } = await fallback((now) => {
      now.recorder = true;
    });
    expect(finished).toEqual(['FAILED']);
    expect(exchange.answer.status).toBe(503);
    expect(upgrades).toBe(1);
  });
});

describe('a held session', () => {
  const drift = [
    {
      name: 'the pod is the one that was approved',
      uid: 'u-1',
      image: 'sha256:a',
      end: 'EXECUTED',
    },
    { name: 'another pod has taken its name', uid: 'u-2', image: 'sha256:a', end: 'STALE' },
    { name: 'a container runs another image', uid: 'u-1', image: 'sha256:b', end: 'STALE' },
  ];
  test.each(drift)('ends $end where $name', async ({ uid, image, end }) => {
    const { approvals, finished } = granting(await guardOf(podOf('u-1', 'sha256:a')));
    const there = cluster();
    const { exchange, peer } = upgradeRequest();
    const world = flowWorld({
      decide: byGrant,
      upstream: () => scriptedAnswer({ body: podOf(uid, image) }),
      approvals,
      upgrade: there.upgrade,
    });
    const done = world.handle(exchange);
    peer.end();
    await done;
    expect(finished).toEqual([end]);
    expect(exchange.answer.status).toBe(end === 'EXECUTED' ? 101 : 403);
    const release = kinds(world.records).includes('release');
    expect(release).toBe(end === 'EXECUTED');
  });

  test('opens nothing where its release cannot be recorded', async () => {
    const { approvals, finished } = granting(await guardOf(podOf('u-1', 'sha256:a')));
    let asked = 0;
    const world = flowWorld({
      decide: byGrant,
      upstream: () => scriptedAnswer({ body: podOf('u-1', 'sha256:a') }),
      approvals: {
        ...approvals,
        claim: async (...given) => {
          world.broken.recorder = true;
          const claimed = await approvals.claim?.(...given);
          if (claimed === undefined) throw new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', '');
          return claimed;
        },
      },
      upgrade: () => {
        asked += 1;
        return cluster().upgrade();
      },
    });
    const { exchange } = upgradeRequest();
    await world.handle(exchange);
    expect(asked).toBe(0);
    expect(finished).toEqual(['FAILED']);
    expect(exchange.answer.status).toBe(503);
  });
});

async function guardOf(pod: object): Promise<Approval['guard']> {
  let guard: Approval['guard'] = { kind: 'none' };
  const world = flowWorld({
    decide: () => held,
    upstream: () => scriptedAnswer({ body: pod }),
    approvals: {
      open: (request) => {
        ({ guard } = request);
        return Promise.resolve(err(refusal('HOLDGATE_HOLD_TARGET_MISSING', 'enough')));
      },
    },
  });
  await world.handle(upgradeRequest().exchange);
  expect(guard.kind).toBe('pod');
  return guard;
}

/** Waits until this many bytes came. */
function read(from: Duplex, bytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let got = 0;
    from.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      got += chunk.length;
      if (got >= bytes) resolve(Buffer.concat(chunks));
    });
    if (bytes === 0) resolve(Buffer.alloc(0));
  });
}
