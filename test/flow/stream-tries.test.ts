import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import type { Told } from '../../src/flow/call.ts';
import { StreamTries } from '../../src/flow/stream-tries.ts';
import { fakeExchange } from '../support/fake-exchange.ts';
import { decision, flowWorld } from '../support/flow-world.ts';
import { approvalOf } from '../support/hold-fixtures.ts';

const told: Told = {
  refused: refusal('HOLDGATE_HOLD_DENIED', 'no'),
  facts: { input: null, decision: null, approvalId: null, digest: null },
};
const claim = { approval: approvalOf({ state: 'EXECUTING' }), fence: 1 };

/** A try of an exec over the wire that is named. */
const tryOf = (wire: 'websocket' | 'spdy', argument: string) => {
  const handshake = {
    websocket: {
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
    },
    spdy: { 'x-stream-protocol-version': 'v4.channel.k8s.io' },
  };
  const made = fakeExchange({
    method: wire === 'websocket' ? 'GET' : 'POST',
    target: `/api/v1/namespaces/payments/pods/checkout/exec?command=${argument}&stdout=true`,
    headers: { ...handshake[wire], 'kubectl-session': 'one-command' },
    upgrade: wire === 'websocket' ? wire : 'SPDY/3.1',
  });
  return { ...made, switchProtocols: () => expect.unreachable('nothing is opened') };
};

describe('the table of tries', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('full of refusals keeps no more of them, and still keeps what people approved', () => {
    const tries = new StreamTries();
    for (let at = 0; at < 1000; at += 1) tries.keep(`command ${at}`, { kind: 'refused', told });
    const expired: string[] = [];
    tries.keep('one more', { kind: 'refused', told }, () => expired.push('refusal'));
    tries.keep('approved', { kind: 'claimed', claim }, () => expired.push('claim'));
    expect(expired).toEqual(['refusal']);
    expect(tries.takeRefused('one more')).toBe(null);
    expect(tries.takeClaim('approved')).toBe(claim);
  });

  test('forgets everything after 15 seconds; a claim is ended, once', () => {
    const tries = new StreamTries();
    const expired: string[] = [];
    tries.keep('a', { kind: 'refused', told });
    tries.keep('b', { kind: 'claimed', claim }, () => expired.push('b'));
    vi.advanceTimersByTime(15_000);
    expect(tries.takeRefused('a')).toBe(null);
    expect(tries.takeClaim('b')).toBe(null);
    expect(expired).toEqual(['b']);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('gives each entry once, and never one as the other', () => {
    const tries = new StreamTries();
    tries.keep('a', { kind: 'claimed', claim });
    expect(tries.takeRefused('a')).toBe(null);
    expect(tries.takeClaim('a')).toBe(claim);
    expect(tries.takeClaim('a')).toBe(null);
  });
});

test.each([
  { what: 'a command of usual length', argument: 'ls', asked: 1 },
  {
    what: 'one so long that a table of them would fill the memory',
    argument: 'x'.repeat(20_000),
    asked: 2,
  },
])('$what: policy is asked $asked times for both tries', async ({ argument, asked }) => {
  const world = flowWorld({ decide: () => decision({ verdict: 'deny' }) });
  for (const wire of ['websocket', 'spdy'] as const) {
    const exchange = tryOf(wire, argument);
    // eslint-disable-next-line no-await-in-loop -- one after the other, as kubectl does it
    await world.handle(exchange);
    expect(exchange.answer.status).toBe(403);
  }
  expect(world.inputs).toHaveLength(asked);
});
