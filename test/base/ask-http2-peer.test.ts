import { EventEmitter } from 'node:events';
import type { Http2Session } from 'node:http2';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { askHttp2Peer } from '../../src/base/ask-http2-peer.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A session whose PINGs are answered by hand, over a socket that is one only in its end. */
function open() {
  const pings: ((cause: Error | null) => void)[] = [];
  const session = Object.assign(new EventEmitter(), {
    destroyed: false,
    destroy: () => {
      session.destroyed = true;
    },
    ping: (answer: (cause: Error | null) => void) => pings.push(answer),
  });
  const socket = new PassThrough();
  const lates: boolean[] = [];
  askHttp2Peer(session as unknown as Http2Session, socket, {
    intervalMs: 10,
    answerMs: 15,
    late: (isLate) => lates.push(isLate),
  });
  return { session, socket, pings, lates };
}

test('a peer that answers is asked again, and kept', () => {
  const { socket, pings, lates } = open();
  for (let time = 0; time < 5; time += 1) {
    vi.advanceTimersByTime(10);
    pings.at(-1)?.(null);
  }
  expect(pings).toHaveLength(5);
  expect(lates).toEqual([false, false, false, false, false]);
  expect(socket.destroyed).toBe(false);
});

test('a peer that does not answer is late, then gone, with its socket', () => {
  const { session, socket, pings, lates } = open();
  vi.advanceTimersByTime(24);
  expect({ lates, destroyed: socket.destroyed }).toEqual({ lates: [true], destroyed: false });
  vi.advanceTimersByTime(1);
  expect(pings).toHaveLength(1);
  expect([session.destroyed, socket.destroyed]).toEqual([true, true]);
});

test('an answer that comes late counts', () => {
  const { socket, pings, lates } = open();
  vi.advanceTimersByTime(21);
  pings[0]?.(null);
  vi.advanceTimersByTime(9);
  expect(lates).toEqual([true, false]);
  expect(pings).toHaveLength(2);
  expect(socket.destroyed).toBe(false);
});

test('a PING that failed is no answer', () => {
  const { socket, pings } = open();
  vi.advanceTimersByTime(10);
  pings[0]?.(new Error('cancelled'));
  vi.advanceTimersByTime(15);
  expect(socket.destroyed).toBe(true);
});

test('a session that was destroyed and does not come to its socket is ended at the next interval', () => {
  const { session, socket, pings } = open();
  session.destroy();
  vi.advanceTimersByTime(10);
  expect(socket.destroyed).toBe(true);
  expect(pings).toHaveLength(0);
});

test('nothing is asked, and no timer left, after the socket is closed', async () => {
  const { socket } = open();
  vi.advanceTimersByTime(10);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  await closed;
  expect(vi.getTimerCount()).toBe(0);
});
