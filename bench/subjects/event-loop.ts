import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Preloaded (`node --import`) into every Node subject: prints the event loop's delay at SIGUSR2, from then on anew, and
 * at the end. Milliseconds, without the 10 ms that the timer itself waits. SIGUSR2 also collects garbage first: what a
 * warm-up left behind would hide the memory that the next scenario takes.
 */
const resolutionMs = 10;
const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
histogram.enable();

function print(): void {
  const ms = (nanoseconds: number): number =>
    Math.max(0, Math.round(nanoseconds / 1e4) / 100 - resolutionMs);
  const line = { p99Ms: ms(histogram.percentile(99)), maxMs: ms(histogram.max) };
  process.stdout.write(`event-loop ${JSON.stringify(line)}\n`);
  histogram.reset();
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
process.on('SIGUSR2', () => {
  print();
  collect();
  histogram.reset();
});
process.on('exit', print);
