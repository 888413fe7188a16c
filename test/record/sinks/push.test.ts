import { describe, expect, test } from 'vitest';
import type { SinkEntry } from '../../../src/record/sinks/sink.ts';
import {
  busy,
  createSinkWorld,
  leafAt,
  refused,
  someLeaves,
  taken,
  type Sent,
} from '../../support/sink-world.ts';
import { someDecision } from '../../support/record-entries.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, seq) => seq);

/** Answers by script, then takes everything. */
const scripted = (answers: Sent[]) => (): Sent => answers.shift() ?? taken;

describe('a push', () => {
  test('delivers in order, page by page, and moves the cursor behind each page', async () => {
    const world = createSinkWorld(someLeaves(7), 3);
    const { push, deliveries } = world.push(() => taken);
    push.start();
    await world.pass();
    expect([deliveries, world.row.cursor]).toEqual([[[0, 1, 2]], '3']);
    await world.pass(20);
    await world.pass(20);
    expect(deliveries.flat()).toEqual(upTo(7));
    expect(world.row).toMatchObject({ cursor: '7', lagSeconds: 0, lastError: null });
    expect(push.status().counts.delivered).toBe(7);
    await push.close();
  });

  test('takes what is recorded later, within a second', async () => {
    const world = createSinkWorld(someLeaves(1));
    const { push, deliveries } = world.push(() => taken);
    push.start();
    await world.pass();
    world.all.push(...someLeaves(3).slice(1));
    await world.pass(1000);
    expect(deliveries).toEqual([[0], [1, 2]]);
    await push.close();
  });

  test('sends again what was delivered when the process died before the cursor moved', async () => {
    const world = createSinkWorld(someLeaves(2));
    const first = world.push(() => {
      world.faults.store = true;
      return taken;
    });
    first.push.start();
    await world.pass();
    expect([first.deliveries, world.row.cursor]).toEqual([[[0, 1]], null]);
    // Killed: closing it is what a kill does not do, so its hold is ended by hand.
    world.faults.store = false;
    const second = world.push(() => taken, { holder: 'two' });
    Object.assign(world.row, { holder: null });
    second.push.start();
    await world.pass();
    expect([second.deliveries, world.row.cursor]).toEqual([[[0, 1]], '2']);
    await second.push.close();
  });

  test('has no delivery of more than 500 entries or 1 MiB', async () => {
    const large = upTo(5).map((seq) =>
      leafAt(501 + seq, someDecision({ because: manyReasons(140) })),
    );
    const world = createSinkWorld([...someLeaves(501), ...large], 1000);
    const sizes: { entries: number; bytes: number }[] = [];
    const { push, deliveries } = world.push((batch: readonly SinkEntry[]) => {
      const bytes = batch.reduce((sum, entry) => sum + Buffer.byteLength(entry.text), 0);
      sizes.push({ entries: batch.length, bytes });
      return taken;
    });
    push.start();
    await world.pass();
    expect(deliveries.flat()).toEqual(upTo(506));
    expect(deliveries.length).toBeGreaterThan(2);
    expect(sizes.filter(({ entries }) => entries > 500)).toEqual([]);
    expect(sizes.filter(({ entries, bytes }) => entries > 1 && bytes > 1024 * 1024)).toEqual([]);
    await push.close();
  });
});

const manyReasons = (count: number) =>
  Array.from({ length: count }, (_, id) => ({
    rule: 'pipelines',
    id: `deploy-${id}`,
    reason: 'x'.repeat(4000),
  }));

describe('a sink that is down', () => {
  test('is tried again with waits that double up to a minute, and then gets everything', async () => {
    const world = createSinkWorld(someLeaves(2));
    const { push, deliveries } = world.push(scripted(Array.from({ length: 8 }, () => busy())));
    push.start();
    await world.pass();
    for (const waitMs of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      const before = deliveries.length;
      await world.pass(waitMs - 1);
      expect(deliveries).toHaveLength(before);
      await world.pass(1);
      expect(deliveries).toHaveLength(before + 1);
    }
    expect(deliveries.every((one) => one.join() === '0,1')).toBe(true);
    expect(world.row).toMatchObject({ cursor: '2', lastError: null });
    await push.close();
  });

  test('is said in the status with its age, in the database, and once a minute in the log', async () => {
    const world = createSinkWorld(someLeaves(1));
    const { push } = world.push(() => busy(null, 'POST https://siem.test/: status 503'));
    push.start();
    await world.pass();
    await world.pass(1000);
    expect(push.status()).toMatchObject({
      problem: 'POST https://siem.test/: status 503',
      lagSeconds: 11,
      counts: { failed: 2, delivered: 0 },
    });
    expect(world.row).toMatchObject({
      lastError: 'POST https://siem.test/: status 503',
      lagSeconds: 11,
    });
    expect(world.logged).toHaveLength(1);
    await push.close();
  });

  test.each([
    { name: 'is waited for', askedMs: 120_000, waitedMs: 120_000 },
    { name: 'is bounded by five minutes', askedMs: 86_400_000, waitedMs: 300_000 },
    { name: 'shortens no wait of ours', askedMs: 0, waitedMs: 1000 },
  ])('and asks for a time $name', async ({ askedMs, waitedMs }) => {
    const world = createSinkWorld(someLeaves(1));
    const { push, deliveries } = world.push(scripted([busy(askedMs)]));
    push.start();
    await world.pass();
    await world.pass(waitedMs - 1);
    expect(deliveries).toHaveLength(1);
    // Its hold lasts as long: no other replica calls before.
    expect(world.row.heldUntilMs).toBeGreaterThan(waitedMs);
    await world.pass(1);
    expect(deliveries).toHaveLength(2);
    await push.close();
  });

  test('gets nothing twice of what it took before, while this process lives', async () => {
    const world = createSinkWorld(someLeaves(600), 600);
    const { push, deliveries } = world.push(scripted([taken, busy(), taken]));
    push.start();
    await world.pass();
    await world.pass(1000);
    expect(deliveries.map((one) => one.length)).toEqual([500, 100, 100]);
    expect(world.row.cursor).toBe('600');
    await push.close();
  });

  test('that never answers is given up at the time limit', async () => {
    const world = createSinkWorld(someLeaves(1));
    const hang = (_batch: readonly SinkEntry[], signal: AbortSignal): Promise<Sent> =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(busy(null, 'no answer in time')));
      });
    const { push } = world.push(hang);
    push.start();
    await world.pass();
    await world.pass(9999);
    expect(push.status().problem).toBe('');
    await world.pass(1);
    expect(push.status().problem).toBe('no answer in time');
    await push.close();
  });
});

describe('an entry that the sink refuses', () => {
  /** Refuses every delivery that has one of these numbers in it. */
  const allergicTo = (bad: readonly number[]) => (batch: readonly SinkEntry[]) =>
    batch.some(({ seq }) => bad.includes(seq)) ? refused('status 422') : taken;

  test('is found by halving and skipped, and the others arrive once, in order', async () => {
    const world = createSinkWorld(someLeaves(100));
    const bad = [17, 18, 99];
    const arrived: number[] = [];
    const { push } = world.push((batch) => {
      const sent = allergicTo(bad)(batch);
      if (sent.ok) arrived.push(...batch.map(({ seq }) => seq));
      return sent;
    });
    push.start();
    await world.pass();
    expect(arrived).toEqual(upTo(100).filter((seq) => !bad.includes(seq)));
    expect(world.recorded).toEqual(
      bad.map((seq) => ({
        kind: 'sink-skipped',
        requestId: '',
        cluster: '',
        sink: 'siem',
        skipped: { stream: 'stream-1', seq, kind: 'decision' },
        detail: 'status 422',
      })),
    );
    expect(push.status().counts).toMatchObject({ delivered: 97, skipped: 3 });
    expect(world.row.cursor).toBe('100');
    await push.close();
  });

  test('is not passed while that cannot be recorded', async () => {
    const world = createSinkWorld(someLeaves(2));
    const { push, deliveries } = world.push(allergicTo([0]));
    world.faults.record = true;
    push.start();
    await world.pass();
    expect([deliveries, world.row.cursor]).toEqual([[[0, 1], [0]], null]);
    world.faults.record = false;
    await world.pass(1000);
    expect(deliveries.slice(2)).toEqual([[0], [1]]);
    expect(world.recorded).toHaveLength(1);
    expect(world.row.cursor).toBe('2');
    await push.close();
  });

  test('that is itself the record of a skipped one makes no further record', async () => {
    const skipped = { stream: 'stream-0', seq: 4, kind: 'outcome' };
    const about = { requestId: '', cluster: '', sink: 'siem', skipped, detail: '' } as const;
    const world = createSinkWorld([leafAt(0, { kind: 'sink-skipped', ...about })]);
    const { push } = world.push(() => refused());
    push.start();
    await world.pass();
    expect([world.recorded, world.row.cursor]).toEqual([[], '1']);
    expect(push.status().counts.skipped).toBe(1);
    expect(world.logged).toHaveLength(1);
    await push.close();
  });
});

test('what a sink takes and throws away is counted and logged, not sent again', async () => {
  const world = createSinkWorld(someLeaves(5));
  const { push, deliveries } = world.push(() => ({
    ok: true,
    value: { rejected: 2, detail: 'too old' },
  }));
  push.start();
  await world.pass();
  await world.pass(1000);
  expect(deliveries).toHaveLength(1);
  expect(push.status().counts).toMatchObject({ delivered: 3, rejected: 2 });
  expect(world.logged).toHaveLength(1);
  await push.close();
});

describe('of two replicas', () => {
  test('one pushes; the other takes over when it closes, at once', async () => {
    const world = createSinkWorld(someLeaves(2));
    const [one, two] = [world.push(() => taken), world.push(() => taken, { holder: 'two' })];
    one.push.start();
    await world.pass();
    two.push.start();
    world.all.push(...someLeaves(4).slice(2));
    await world.pass();
    expect(two.deliveries).toEqual([]);
    await one.push.close();
    await world.pass(5000);
    expect(two.deliveries).toEqual([[2, 3]]);
    await two.push.close();
  });

  test('the one that was late does not move the cursor back', async () => {
    const world = createSinkWorld(someLeaves(1));
    const { push, deliveries } = world.push(() => {
      // The hold ended meanwhile, and another process went further.
      Object.assign(world.row, { holder: 'two', cursor: '1', heldUntilMs: Infinity });
      world.all.push(...someLeaves(3).slice(1));
      return taken;
    });
    push.start();
    await world.pass();
    expect(deliveries).toEqual([[0]]);
    expect(world.row).toMatchObject({ cursor: '1', holder: 'two' });
    await push.close();
    expect(world.row.holder).toBe('two');
  });
});

test('a database that is down loses nothing, and the push goes on by itself', async () => {
  const world = createSinkWorld(someLeaves(1));
  const { push, deliveries } = world.push(() => taken);
  world.faults.store = true;
  push.start();
  await world.pass();
  expect([deliveries, push.status().problem]).toEqual([[], 'the database is down']);
  world.faults.store = false;
  await world.pass(1000);
  expect([deliveries, push.status().problem]).toEqual([[[0]], '']);
  await push.close();
});

test('closing breaks off a delivery, and leaves it to the next', async () => {
  const world = createSinkWorld(someLeaves(1));
  const hang = (_batch: readonly SinkEntry[], signal: AbortSignal): Promise<Sent> =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(busy()));
    });
  const { push } = world.push(hang);
  push.start();
  await world.pass();
  await push.close();
  expect(world.row).toMatchObject({ cursor: null, lastError: null, holder: null });
  await world.pass(600_000);
  expect(push.status().counts.failed).toBe(0);
});
