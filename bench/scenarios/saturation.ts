import { loadConnections, sizes } from '../support/counts.ts';
import { figure, median, missing, type Figure } from '../support/figures.ts';
import { probe, type LoadFigures, type Protocol } from '../support/peers.ts';
import { targetOf, type Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';
import { smallGet } from './latency.ts';

/** Below this the load, not the subject, was the limit: requests a second then say nothing of the subject. */
const coreUseMin = 0.9;

export const list = {
  path: '/api/v1/namespaces/default/pods',
  status: 200,
  bytes: sizes.list,
} as const;

export type LoadRow = {
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly coreUse: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly eventLoopMaxMs: number | null;
};

type Measured = ReadonlyMap<string, readonly LoadFigures[]>;

const cpuUs = (one: LoadFigures): number => (one.cpuSeconds / one.requests) * 1e6;

/** Every subject in every round, in an order of its own, so that a busy moment does not meet the same one each time. */
async function rounds(
  world: World,
  subjects: readonly Subject[],
  protocol: Protocol,
  request: typeof smallGet | typeof list,
  connections: number,
): Promise<Measured> {
  const { loadRounds, loadSeconds, loadWarmSeconds } = world.counts;
  const measured = new Map<string, LoadFigures[]>();
  for (let round = 0; round < loadRounds; round += 1) {
    const order = subjects
      .filter(({ name }) => name !== 'direct')
      .map((subject) => ({ subject, at: Math.random() }))
      .toSorted((one, other) => one.at - other.at);
    for (const { subject } of order) {
      const one = await probe<LoadFigures>('load', {
        target: targetOf(world, subject, protocol, request),
        connections,
        warmSeconds: round === 0 ? loadWarmSeconds : 0.3,
        seconds: loadSeconds,
      });
      const before = measured.get(subject.name) ?? [];
      measured.set(subject.name, [...before, one]);
    }
  }
  return measured;
}

async function tableOf(
  subjects: readonly Subject[],
  measured: Measured,
): Promise<Record<string, LoadRow>> {
  const table: Record<string, LoadRow> = {};
  for (const subject of subjects) {
    const all = measured.get(subject.name);
    if (all === undefined) continue;
    const middle = (value: (one: LoadFigures) => number): number => median(all.map(value));
    table[subject.name] = {
      cpuUsPerRequest: middle(cpuUs),
      requestsPerSecond: middle((one) => one.requests / one.seconds),
      coreUse: middle((one) => one.cpuSeconds / one.seconds),
      p50Ms: middle((one) => one.times.p50Us / 1000),
      p99Ms: middle((one) => one.times.p99Us / 1000),
      eventLoopMaxMs: (await subject.eventLoop())?.maxMs ?? null,
    };
  }
  return table;
}

/** A ratio of two subjects, round by round. */
function ratios(
  measured: Measured,
  one: string,
  other: string,
  value: (figures: LoadFigures) => number,
): number[] {
  const [these, those] = [measured.get(one) ?? [], measured.get(other) ?? []];
  return these.flatMap((figures, round) => {
    const beside = those[round];
    return beside === undefined ? [] : [value(figures) / value(beside)];
  });
}

export type Loaded = {
  readonly figures: readonly Figure[];
  readonly table: Readonly<Record<string, LoadRow>>;
};

/** Small GETs as fast as they are answered: CPU for a request, and requests a second of one core. */
export async function saturation(
  world: World,
  subjects: readonly Subject[],
  protocol: Protocol,
): Promise<Loaded> {
  const measured = await rounds(world, subjects, protocol, smallGet, loadConnections);
  const id = (rest: string): string => `saturation-${protocol}/${rest}`;
  const what = `small GET, ${loadConnections} ${protocol} connections: `;
  const table = await tableOf(subjects, measured);
  const cpu = (one: string, other: string, rest: Pick<Figure, 'target' | 'gate'>): Figure => {
    const name = {
      id: id(`cpu-${one}-over-${other}`),
      what: `${what}CPU a request, ${one} / ${other}`,
    };
    if (!measured.has(one) || !measured.has(other)) return missing(name.id, name.what, 'not here');
    return figure(ratios(measured, one, other, cpuUs), { ...name, unit: 'x', ...rest });
  };
  const rate = (peer: string, min: number): Figure => {
    const name = {
      id: id(`rps-over-${peer}`),
      what: `${what}requests a second of a core / ${peer}'s`,
    };
    if (!measured.has(peer)) return missing(name.id, name.what, `${peer} is not here`);
    // Of a core in full use: where the load could not fill it, CPU a request says what a full core would do.
    const perCpuSecond = (one: LoadFigures): number => one.requests / one.cpuSeconds;
    const full = Math.min(table['holdgate']?.coreUse ?? 0, table[peer]?.coreUse ?? 0) >= coreUseMin;
    return figure(ratios(measured, 'holdgate', peer, perCpuSecond), {
      ...name,
      unit: 'x',
      target: { min },
      ...(full ? {} : { note: 'the load filled not both cores: requests for each second of CPU' }),
    });
  };
  const holdgate = measured.get('holdgate') ?? [];
  const figures = [
    cpu('holdgate', 'go-h2', { gate: true }),
    cpu('holdgate', 'node-raw', { gate: true }),
    cpu('node-raw', 'go-h2', { target: { max: 1 } }),
    rate('go-h2', 0.5),
    rate('nginx', 0.25),
    figure(holdgate.map(cpuUs), { id: id('cpu'), what: `${what}CPU a request`, unit: 'µs' }),
  ];
  return { figures, table };
}

/** 1 MB lists on few connections: bytes for each second of CPU. */
export async function lists(world: World, subjects: readonly Subject[]): Promise<Loaded> {
  const measured = await rounds(world, subjects, 'h2', list, 4);
  const bytesPerCpuSecond = (one: LoadFigures): number => one.bytes / one.cpuSeconds;
  const figures = [
    figure(ratios(measured, 'holdgate', 'go-h2', bytesPerCpuSecond), {
      id: 'list/bytes-over-go-h2',
      what: '1 MB list, h2: bytes of a core / go-h2',
      unit: 'x',
      target: { min: 0.45 },
      gate: true,
    }),
    figure(
      (measured.get('holdgate') ?? []).map((one) => bytesPerCpuSecond(one) / 1e6),
      {
        id: 'list/megabytes',
        what: '1 MB list, h2: bytes for a second of CPU',
        unit: 'MB/s',
        better: 'higher',
      },
    ),
  ];
  return { figures, table: await tableOf(subjects, measured) };
}

/** Requests at fixed rates, whatever the answers do: what a stall costs those who come during it. */
export async function openLoop(world: World, subjects: readonly Subject[]) {
  const { openRates, openSeconds } = world.counts;
  const table: Record<string, Record<string, number>> = {};
  for (const subject of subjects) {
    const row: Record<string, number> = {};
    for (const rate of openRates) {
      const { times } = await probe<LoadFigures>('openloop', {
        target: targetOf(world, subject, 'h2', smallGet),
        connections: loadConnections,
        rate,
        seconds: openSeconds,
      });
      row[`p50Ms, ${rate}/s`] = times.p50Us / 1000;
      row[`p99Ms, ${rate}/s`] = times.p99Us / 1000;
      row[`maxMs, ${rate}/s`] = times.maxUs / 1000;
    }
    table[subject.name] = row;
  }
  const figures = openRates.map((rate): Figure => {
    const p99 = (name: string): number => table[name]?.[`p99Ms, ${rate}/s`] ?? Number.NaN;
    return {
      id: `open-loop/added-p99-${rate}`,
      what: `small GET, h2, ${rate} requests a second, open loop: added p99`,
      value: p99('holdgate') - p99('direct'),
      unit: 'ms',
      target: { max: 5 },
    };
  });
  return { figures, table };
}
