#!/usr/bin/env node
import { run } from './cli/run.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // A second signal ends the process as if nobody listened.
  process.once(signal, () => stop.abort());
}
process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  drained: () => new Promise((resolve) => process.stdout.write('', () => resolve())),
  env: process.env,
  stop: stop.signal,
  onHangup: (reload) => process.on('SIGHUP', reload),
});
