import type { Figure } from '../support/figures.ts';
import type { Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';
import { decisions, growth } from './decisions.ts';
import { durable } from './durable.ts';
import { execStreams } from './exec.ts';
import { freshConnections, latency } from './latency.ts';
import { lists, openLoop, saturation } from './saturation.ts';
import { leavers, watches } from './watches.ts';

export type Context = {
  readonly world: World;
  readonly subjects: readonly Subject[];
  readonly acceptNoise: boolean;
};

/** Rows by name: numbers and texts, as measured. */
export type Table = Readonly<Record<string, Readonly<Record<string, number | string | null>>>>;

export type Outcome = { readonly figures: readonly Figure[]; readonly table: Table };

export type Scenario = {
  readonly name: string;
  /** What stands above its table. */
  readonly title: string;
  /** Left out of a small run: it has no ratio to compare with the baseline. */
  readonly fullOnly?: true;
  readonly run: (context: Context) => Promise<Outcome>;
};

const running = (name: 'latency' | 'saturation', protocol: 'h2' | 'h1'): Scenario['run'] =>
  name === 'latency'
    ? ({ world, subjects, acceptNoise }) => latency(world, subjects, protocol, acceptNoise)
    : ({ world, subjects }) => saturation(world, subjects, protocol);

/** In the order of the report. The first one finds out whether the machine is quiet enough for the rest. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'latency-h2',
    title: 'A small GET on a warm HTTP/2 connection, one at a time',
    run: running('latency', 'h2'),
  },
  {
    name: 'latency-h1',
    title: 'The same over HTTP/1.1',
    run: running('latency', 'h1'),
  },
  {
    name: 'fresh',
    title: 'A new TLS connection for each small GET',
    run: ({ world, subjects }) => freshConnections(world, subjects),
  },
  {
    name: 'open-loop',
    title: 'Small GETs at fixed rates, whatever the answers do',
    fullOnly: true,
    run: ({ world, subjects }) => openLoop(world, subjects),
  },
  {
    name: 'saturation-h2',
    title: 'Small GETs over 32 HTTP/2 connections, as fast as they are answered',
    run: running('saturation', 'h2'),
  },
  {
    name: 'saturation-h1',
    title: 'The same over HTTP/1.1',
    run: running('saturation', 'h1'),
  },
  {
    name: 'list',
    title: 'Lists of 1 MB over HTTP/2, four connections',
    run: ({ world, subjects }) => lists(world, subjects),
  },
  {
    name: 'leavers',
    title: 'Clients that leave in the middle of a list',
    run: ({ world, subjects }) => leavers(world, subjects),
  },
  {
    name: 'durable',
    title: 'The gateway as it ships, on a PostgreSQL with fsync',
    run: ({ world, subjects }) => durable(world, subjects),
  },
  { name: 'watches', title: 'Open watches', run: ({ world }) => watches(world) },
  { name: 'decisions', title: 'Policy decisions', run: ({ world }) => decisions(world) },
  { name: 'growth', title: 'Decisions beside more data', run: ({ world }) => growth(world) },
  {
    name: 'exec',
    title: 'Exec over WebSocket (v5.channel.k8s.io)',
    run: ({ world, subjects }) => execStreams(world, subjects),
  },
];
