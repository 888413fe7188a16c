import { Histogram, Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/console/metrics.ts';
import { SecondsHistogram } from '../../src/console/seconds-histogram.ts';

const bounds = [0.001, 0.5, 1];

describe('a histogram of seconds', () => {
  test('has the lines that prom-client writes for the same observations', async () => {
    const registry = new Registry();
    const name = 'x_seconds';
    const help = 'What it counts.';
    const labelNames = ['cluster', 'verdict'];
    const peer = new Histogram({ name, help, labelNames, buckets: bounds, registers: [registry] });
    const own = new SecondsHistogram({ name, help, bounds });
    const series = [
      { labels: { cluster: 'prod', verdict: 'allow' }, seconds: [0, 0.001, 0.0011, 0.5, 7, 1] },
      { labels: { cluster: 'a"b\\c\nd{}', verdict: '' }, seconds: [0.3] },
    ];
    for (const { labels, seconds } of series) {
      const observe = own.child(labels);
      for (const one of seconds) {
        observe(one);
        peer.observe(labels, one);
      }
    }
    expect(own.text().trimEnd()).toBe((await registry.metrics()).trimEnd());
  });
});

test('a request is counted under its labels, and timed as a whole and by stage', async () => {
  const metrics = createMetrics();
  const facts = { cluster: 'prod', verdict: 'allow', code: '' };
  metrics.observe({ ...facts, durationMs: 20, stagesMs: { decided: 2, recorded: 4 } });
  metrics.observe({ ...facts, durationMs: 30, stagesMs: { decided: 3 } });
  metrics.observe({ ...facts, verdict: 'deny', code: 'X', durationMs: 1, stagesMs: {} });
  const { text } = await metrics.text();
  const lines = text.split('\n');
  expect(lines).toContain('holdgate_requests_total{cluster="prod",verdict="allow",code=""} 2');
  expect(lines).toContain('holdgate_requests_total{cluster="prod",verdict="deny",code="X"} 1');
  expect(lines).toContain(
    'holdgate_request_duration_seconds_count{cluster="prod",verdict="allow"} 2',
  );
  expect(lines).toContain('holdgate_stage_done_seconds_bucket{le="0.0025",stage="decided"} 1');
  expect(lines).toContain('holdgate_stage_done_seconds_count{stage="recorded"} 1');
  expect(lines.filter((line) => line.startsWith('# TYPE holdgate_'))).toHaveLength(3);
});

test('how far sessions are behind is read when it is asked for, in seconds', async () => {
  const metrics = createMetrics();
  let lagMs = 1500;
  metrics.watchSessions(() => lagMs);
  expect((await metrics.text()).text.split('\n')).toContain('holdgate_sessions_lag_seconds 1.5');
  lagMs = 0;
  expect((await metrics.text()).text.split('\n')).toContain('holdgate_sessions_lag_seconds 0');
});

test('each sink has its lag and its counts, as they are when they are asked for', async () => {
  const metrics = createMetrics();
  const counts = { delivered: 0, failed: 0, skipped: 0, rejected: 0 };
  let sinks = [{ name: 'siem', lagSeconds: 0, counts }];
  metrics.watchSinks(() => sinks);
  await metrics.text();
  const later = { delivered: 500, failed: 2, skipped: 1, rejected: 3 };
  sinks = [{ name: 'siem', lagSeconds: 12.5, counts: later }];
  await metrics.text();
  const lines = (await metrics.text()).text.split('\n');
  expect(lines).toContain('# TYPE holdgate_sink_delivered_total counter');
  expect(lines.filter((line) => line.startsWith('holdgate_sink_')).toSorted()).toEqual([
    'holdgate_sink_delivered_total{sink="siem"} 500',
    'holdgate_sink_failed_total{sink="siem"} 2',
    'holdgate_sink_lag_seconds{sink="siem"} 12.5',
    'holdgate_sink_rejected_total{sink="siem"} 3',
    'holdgate_sink_skipped_total{sink="siem"} 1',
  ]);
});
