import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

/**
 * Preloaded into the gateway by `profile.ts`: the first SIGHUP starts the CPU profiler, the second writes what it saw to
 * the file of the last argument. So that neither the start nor the warm-up is in it.
 */
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: 200 });
let started = false;

process.on('SIGHUP', () => {
  if (!started) {
    started = true;
    session.post('Profiler.start');
    return;
  }
  session.post('Profiler.stop', (problem, answer) => {
    if (problem !== null) throw problem;
    writeFileSync(process.argv.at(-1) ?? '', JSON.stringify(answer.profile));
    process.stdout.write('profiled\n');
  });
});
