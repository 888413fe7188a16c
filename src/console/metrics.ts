import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

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
  const duration = new Histogram({
    name: 'holdgate_request_duration_seconds',
    help: 'From the head of a request to the end of its answer.',
    labelNames: ['cluster', 'verdict'],
    buckets: BUCKETS,
    registers: [registry],
  });
  const stages = new Histogram({
    name: 'holdgate_stage_done_seconds',
    help: 'From the head of a request until a stage was done.',
    labelNames: ['stage'],
    buckets: BUCKETS,
    registers: [registry],
  });
  return {
    observe: ({ cluster, verdict, code, durationMs, stagesMs }) => {
      requests.inc({ cluster, verdict, code });
      duration.observe({ cluster, verdict }, durationMs / msPerSecond);
      for (const [stage, ms] of Object.entries(stagesMs))
        stages.observe({ stage }, ms / msPerSecond);
    },
    watchRecorder: (available) => {
      const gauge: Gauge = new Gauge({
        name: 'holdgate_recorder_available',
        help: '1 while decisions can be recorded; at 0 every request is refused.',
        registers: [registry],
        collect: (): void => gauge.set(available() ? 1 : 0),
      });
    },
    text: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
