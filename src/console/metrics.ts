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

/** The gateway's metrics, in a registry of their own. */
export type Metrics = {
  readonly observe: (facts: RequestFacts) => void;
  /** 1 while decisions can be recorded. */
  readonly watchRecorder: (available: () => boolean) => void;
  /** How far sessions and commands are behind the record. */
  readonly watchSessions: (lagMs: () => number) => void;
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
    text: async () => ({
      contentType: registry.contentType,
      text: `${await registry.metrics()}\n${duration.text()}\n${stages.text()}`,
    }),
  };
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
