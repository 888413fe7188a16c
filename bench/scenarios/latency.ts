import { figure, median, missing, type Figure } from '../support/figures.ts';
import { sizes } from '../support/counts.ts';
import { probe, type Blocks, type Protocol } from '../support/peers.ts';
import { targetOf, type Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';

export const smallGet = {
  path: '/api/v1/namespaces/default/pods/small',
  status: 200,
  bytes: sizes.small,
} as const;

/** The direct path itself was too unsteady: nothing that was measured beside it means anything. */
export class UnsteadyError extends Error {}

/** Highest direct p50 of a run over its lowest. */
const directSpreadMax = 1.5;

export type Paired = {
  readonly figures: readonly Figure[];
  readonly table: Readonly<Record<string, { readonly p50Us: number; readonly p99Us: number }>>;
};

/** One value for each block. */
const perBlock = (
  { blocks }: Blocks,
  value: (us: (name: string, share: 'p50Us' | 'p90Us' | 'p99Us') => number) => number,
): number[] => blocks.map((block) => value((name, share) => block[name]?.[share] ?? Number.NaN));

export function checkSteady(measured: Blocks, accept: boolean): void {
  const direct = perBlock(measured, (us) => us('direct', 'p50Us'));
  const spread = Math.max(...direct) / Math.min(...direct);
  if (spread > directSpreadMax && !accept) {
    throw new UnsteadyError(
      `the direct p50 of the blocks differs by ${spread.toFixed(2)}x (bound: ${directSpreadMax}x): the machine is busy`,
    );
  }
}

/** What a small GET takes on a warm connection, one at a time, in paired rounds over all subjects. */
export async function latency(
  world: World,
  subjects: readonly Subject[],
  protocol: Protocol,
  acceptNoise: boolean,
): Promise<Paired> {
  const { blocks, rounds, warmUp } = world.counts;
  const targets = subjects.map((one) => targetOf(world, one, protocol, smallGet));
  const measured = await probe<Blocks>('rounds', { targets, blocks, rounds, warmUp });
  checkSteady(measured, acceptNoise);
  const has = (name: string): boolean => subjects.some((one) => one.name === name);
  const added = (name: string, share: 'p50Us' | 'p99Us'): number[] =>
    perBlock(measured, (us) => us(name, share) - us('direct', share));
  const against = (peer: string): number[] =>
    perBlock(
      measured,
      (us) =>
        (us('holdgate', 'p50Us') - us('direct', 'p50Us')) /
        (us(peer, 'p50Us') - us('direct', 'p50Us')),
    );
  const id = (rest: string): string => `latency-${protocol}/${rest}`;
  const what = `small GET, warm ${protocol}: `;
  const ratio = (peer: string, max?: number): Figure =>
    has(peer)
      ? figure(against(peer), {
          id: id(`added-p50-over-${peer}`),
          what: `${what}added p50 / ${peer}'s`,
          unit: 'x',
          ...(max === undefined ? {} : { target: { max } }),
          gate: true,
        })
      : missing(
          id(`added-p50-over-${peer}`),
          `${what}added p50 / ${peer}'s`,
          `${peer} is not here`,
        );
  const ms = (values: readonly number[]): number[] => values.map((us) => us / 1000);
  const figures = [
    ratio('go-h2', 2),
    ratio('nginx', 3),
    ratio('node-raw'),
    figure(ms(added('holdgate', 'p50Us')), {
      id: id('added-p50'),
      what: `${what}added p50`,
      unit: 'ms',
      target: { max: 1 },
    }),
    figure(ms(added('holdgate', 'p99Us')), {
      id: id('added-p99'),
      what: `${what}added p99`,
      unit: 'ms',
      target: { max: 5 },
    }),
  ];
  const table = Object.fromEntries(
    subjects.map(({ name }) => {
      const middle = (share: 'p50Us' | 'p90Us' | 'p99Us'): number =>
        median(perBlock(measured, (us) => us(name, share)));
      return [name, { p50Us: middle('p50Us'), p90Us: middle('p90Us'), p99Us: middle('p99Us') }];
    }),
  );
  return { figures, table };
}

/** The same with a new TLS connection for each request, as every kubectl command opens one. */
export async function freshConnections(
  world: World,
  subjects: readonly Subject[],
): Promise<Paired> {
  const { blocks, freshRounds: rounds } = world.counts;
  const targets = subjects.map((one) => targetOf(world, one, 'h2', smallGet));
  const spec = { targets, blocks, rounds, warmUp: 10, fresh: true };
  const measured = await probe<Blocks>('rounds', spec);
  const overDirect = (name: string): number[] =>
    perBlock(measured, (us) => us(name, 'p50Us') / us('direct', 'p50Us'));
  const figures = subjects
    .filter(({ name }) => name !== 'direct')
    .map(({ name }) =>
      figure(overDirect(name), {
        id: `fresh/p50-over-direct/${name}`,
        what: `new TLS connection and small GET: p50 / direct, ${name}`,
        unit: 'x',
        ...(name === 'holdgate' ? { target: { max: 1.5 }, gate: true } : {}),
      }),
    );
  const table = Object.fromEntries(
    subjects.map(({ name }) => [
      name,
      {
        p50Us: median(perBlock(measured, (us) => us(name, 'p50Us'))),
        p99Us: median(perBlock(measured, (us) => us(name, 'p99Us'))),
      },
    ]),
  );
  return { figures, table };
}
