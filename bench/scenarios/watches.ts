import { setTimeout as delay } from 'node:timers/promises';
import { eventsPerSecond, streamsPerConnection } from '../support/counts.ts';
import { failed, type Figure } from '../support/figures.ts';
import { probe, type LoadFigures, type WatchFigures } from '../support/peers.ts';
import { startGoProxy, startHoldgate, targetOf, type Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';
import { smallGet } from './latency.ts';
import { list } from './saturation.ts';

const watch = {
  path: '/api/v1/namespaces/default/pods?watch=true&resourceVersion=100',
  status: 200,
  bytes: 0,
} as const;

/** Most memory for one watch, by how many are open: targets of 1,000 and 10,000. Bytes. */
const memoryMax = (open: number): number => (open >= 10_000 ? 40 : 60) * 1000;

type Row = {
  readonly kilobytesEach: number;
  readonly openedSeconds: number;
  readonly deliveryP50Ms: number;
  readonly deliveryP99Ms: number;
  readonly cpuUsPerEvent: number;
  readonly lost: number;
  readonly eventLoopMaxMs: number | null;
};

async function measure(world: World, subject: Subject, count: number): Promise<Row> {
  // Warm first, so that what grows while watches open is theirs.
  await probe<LoadFigures>('load', {
    target: targetOf(world, subject, 'h2', smallGet),
    connections: 8,
    warmSeconds: 0.5,
    seconds: 1,
  });
  // Collects garbage too, in a Node subject; what that freed is given back within a second.
  await subject.eventLoop();
  await delay(1000);
  const measured = await probe<WatchFigures>('watches', {
    target: targetOf(world, subject, 'h2', watch),
    count,
    streamsPerConnection,
    control: world.controlUrl,
    rate: eventsPerSecond,
    seconds: world.counts.eventSeconds,
  });
  return {
    kilobytesEach: (measured.residentAfter - measured.residentBefore) / count / 1000,
    openedSeconds: measured.openedSeconds,
    deliveryP50Ms: measured.times.p50Us / 1000,
    deliveryP99Ms: measured.times.p99Us / 1000,
    cpuUsPerEvent: (measured.cpuSeconds / measured.delivered) * 1e6,
    lost: measured.sent - measured.delivered,
    eventLoopMaxMs: (await subject.eventLoop())?.maxMs ?? null,
  };
}

function figuresOf(count: number, ours: Row, theirs: Row): Figure[] {
  const id = (rest: string): string => `watches-${count}/${rest}`;
  const what = `${count} open watches: `;
  return [
    {
      id: id('memory'),
      what: `${what}memory of one`,
      value: ours.kilobytesEach,
      unit: 'KB',
      target: { max: memoryMax(count) / 1000 },
    },
    {
      id: id('memory-over-go-h2'),
      what: `${what}memory of one / go-h2's`,
      value: ours.kilobytesEach / theirs.kilobytesEach,
      unit: 'x',
      target: { max: 1 },
    },
    {
      id: id('delivery-p99'),
      what: `${what}delivery p99 at ${eventsPerSecond} events a second`,
      value: ours.deliveryP99Ms,
      unit: 'ms',
      target: { max: 10 },
    },
    {
      id: id('lost'),
      what: `${what}events sent and not delivered`,
      value: ours.lost,
      unit: '',
      target: { max: 0 },
    },
  ];
}

/** Open watches: what one takes of memory, and how late events come. Each measurement gets a fresh process. */
export async function watches(world: World) {
  const figures: Figure[] = [];
  const table: Record<string, Row> = {};
  for (const count of world.counts.watches) {
    const rows: Row[] = [];
    for (const start of [startHoldgate, (of: World) => startGoProxy(of, 'h2')]) {
      const subject = await start(world);
      try {
        const row = await measure(world, subject, count);
        table[`${subject.name}, ${count}`] = row;
        rows.push(row);
      } catch (cause) {
        figures.push(
          failed(
            `watches-${count}/${subject.name}`,
            `${count} open watches, ${subject.name}`,
            cause,
          ),
        );
      } finally {
        await subject.stop();
      }
    }
    const [ours, theirs] = rows;
    if (ours !== undefined && theirs !== undefined) figures.push(...figuresOf(count, ours, theirs));
  }
  return { figures, table };
}

const leaversCount = 100;

/** Clients that leave in the middle of a list, by both protocols; afterwards the gateway must serve as before. */
export async function leavers(world: World, subjects: readonly Subject[]) {
  const holdgate = subjects.find(({ name }) => name === 'holdgate');
  if (holdgate === undefined) throw new Error('the gateway is not among the subjects');
  const figures: Figure[] = [];
  for (const protocol of ['h2', 'h1'] as const) {
    const [id, what] = [
      `leavers/${protocol}`,
      `serves after ${leaversCount} clients left in the middle of a list, ${protocol}`,
    ];
    try {
      const target = targetOf(world, holdgate, protocol, list);
      await probe('leave', { target, times: leaversCount });
      figures.push({ id, what, value: 1, unit: '', target: { min: 1 } });
    } catch (cause) {
      figures.push(failed(id, what, cause));
    }
  }
  return { figures, table: {} };
}
