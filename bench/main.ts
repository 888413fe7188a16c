import { parseArgs } from 'node:util';
import { runBench } from './run.ts';
import { counts } from './support/counts.ts';
import { UnsteadyError } from './scenarios/latency.ts';

/**
 * `npm run bench [-- --counts small] [--only NAME,NAME] [--gate] [--accept-noise]`: the gateway beside other proxies, as
 * ratios. Exit code 1: a figure is worse than the committed baseline; 2: the machine was too busy to measure anything.
 */
const { values } = parseArgs({
  options: {
    counts: { type: 'string', default: 'full' },
    only: { type: 'string' },
    'accept-noise': { type: 'boolean', default: false },
    'write-baseline': { type: 'boolean', default: false },
  },
});
const chosen = values.counts === 'small' ? counts.small : counts.full;
try {
  process.exitCode = await runBench({
    counts: chosen,
    only: values.only?.split(',') ?? null,
    acceptNoise: values['accept-noise'],
    writeBaseline: values['write-baseline'],
  });
} catch (cause) {
  if (!(cause instanceof UnsteadyError)) throw cause;
  console.error(`not measured: ${cause.message}`);
  process.exitCode = 2;
}
