import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { SecondsHistogram } from './seconds-histogram.ts';

/** What one finished request looked like. */
export type RequestFacts = {
  readonly cluster: string;
  readonly verdict: string;
  readonly code: string;
  readonly durationMs: number;
  readonly stagesMs: Readonly<Record<string, number>>;
};

/** What a sink of the record looks like; the counts are this process's, since its start. */
export type SinkFacts = {
  readonly name: string;
  readonly lagSeconds: number;
  readonly counts: Readonly<Record<'delivered' | 'failed' | 'skipped' | 'rejected', number>>;
};

/** The gateway's metrics, in a registry of their own. */
export type Metrics = {
  readonly observe: (facts: RequestFacts) => void;
  /** 1 while decisions can be recorded. */
  readonly watchRecorder: (available: () => boolean) => void;
  /** How far sessions and commands are behind the record. */
  readonly watchSessions: (lagMs: () => number) => void;
  /** How far behind each sink is, and what became of what it was sent. */
  readonly watchSinks: (sinks: () => readonly SinkFacts[]) => void;
  readonly text: () => Promise<{ readonly contentType: string; readonly text: string }>;
};

/** From a tenth of a millisecond to ten minutes: reads are fast, held calls wait. Seconds. */
const BUCKETS = [
  0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 300, 600,
];

const msPerSecond = 1000;

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'holdgate_requests_total',
    help: 'Requests on the data port, by verdict and error code.',
    labelNames: ['cluster', 'verdict', 'code'],
    registers: [registry],
  });
  const duration = new SecondsHistogram({
    name: 'holdgate_request_duration_seconds',
    help: 'From the head of a request to the end of its answer.',
    bounds: BUCKETS,
  });
  const stages = new SecondsHistogram({
    name: 'holdgate_stage_done_seconds',
    help: 'From the head of a request until a stage was done.',
    bounds: BUCKETS,
  });
  const countOf = children((cluster, verdict, code) => {
    const child = requests.labels({ cluster, verdict, code });
    return () => child.inc();
  });
  const durationOf = children((cluster, verdict) => duration.child({ cluster, verdict }));
  const stageOf = children((stage) => stages.child({ stage }));
  return {
    observe: ({ cluster, verdict, code, durationMs, stagesMs }) => {
      countOf(cluster, verdict, code)(1);
      durationOf(cluster, verdict, '')(durationMs / msPerSecond);
      for (const stage of Object.keys(stagesMs)) {
        stageOf(stage, '', '')((stagesMs[stage] ?? 0) / msPerSecond);
      }
    },
    watchRecorder: (available) => {
      const gauge: Gauge = new Gauge({
        name: 'holdgate_recorder_available',
        help: '1 while decisions can be recorded; at 0 every request is refused.',
        registers: [registry],
        collect: (): void => gauge.set(available() ? 1 : 0),
      });
    },
    watchSessions: (lagMs) => {
      const gauge: Gauge = new Gauge({
        name: 'holdgate_sessions_lag_seconds',
        help: 'How old the newest record is that sessions and commands were made of, while others wait; 0 while none does.',
        registers: [registry],
        collect: (): void => gauge.set(lagMs() / msPerSecond),
      });
    },
    watchSinks: (sinks) => watchSinks(registry, sinks),
    text: async () => ({
      contentType: registry.contentType,
      text: `${await registry.metrics()}\n${duration.text()}\n${stages.text()}`,
    }),
  };
}

function watchSinks(registry: Registry, sinks: () => readonly SinkFacts[]): void {
  const lag: Gauge = new Gauge({
    name: 'holdgate_sink_lag_seconds',
    help: 'Age of the oldest record that waits for a sink.',
    labelNames: ['sink'],
    registers: [registry],
    collect: (): void => {
      for (const { name, lagSeconds } of sinks()) lag.set({ sink: name }, lagSeconds);
    },
  });
  const counters = {
    delivered: 'Entries of the record that a sink took.',
    failed: 'Deliveries to a sink that did not arrive and are tried again.',
    skipped: 'Entries that a sink refused alone, and that were skipped.',
    rejected: 'Entries that a sink took and threw away by its own word.',
  };
  for (const [what, help] of Object.entries(counters)) {
    const counter: Counter = new Counter({
      name: `holdgate_sink_${what}_total`,
      help,
      labelNames: ['sink'],
      registers: [registry],
      collect: (): void => {
        counter.reset();
        for (const { name, counts } of sinks()) {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of `counters`
          counter.inc({ sink: name }, counts[what as keyof typeof counters]);
        }
      },
    });
  }
}

type Child = (value: number) => void;

/** Finds what observes for up to three label values; makes it at their first use. */
function children(
  make: (first: string, second: string, third: string) => Child,
): (first: string, second: string, third: string) => Child {
  const byFirst = new Map<string, Map<string, Map<string, Child>>>();
  return (first, second, third) => {
    const known = byFirst.get(first)?.get(second)?.get(third);
    if (known !== undefined) return known;
    const bySecond = byFirst.get(first) ?? new Map<string, Map<string, Child>>();
    byFirst.set(first, bySecond);
    const byThird = bySecond.get(second) ?? new Map<string, Child>();
    bySecond.set(second, byThird);
    const child = make(first, second, third);
    byThird.set(third, child);
    return child;
  };
}
