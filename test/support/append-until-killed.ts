/**
 * A program for fault tests: appends records to the database of its argument (a directory, or a PostgreSQL URL) with
 * 16 callers at once until it is killed, and writes the id of each one that was acknowledged.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';
import { errorText, silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { createRecorder } from '../../src/record/index.ts';
import { connectStore, createRecordStore, migrate } from '../../src/store/index.ts';
import { someDeploymentKey } from './deployment-key.ts';
import { someDecision } from './record-entries.ts';

const [place = '', callers = '16'] = process.argv.slice(2);
try {
  const store = await connectStore({
    url: place.startsWith('postgres:') ? new Secret(place) : null,
    dataDirectory: place,
    log: silentLog,
    clock: systemClock,
  });
  await migrate(store, { log: silentLog });
  const recorder = createRecorder({
    store: createRecordStore(store),
    clock: systemClock,
    digestKey: new Secret('00'.repeat(32)),
    deploymentKey: someDeploymentKey(),
    log: silentLog,
    onFailure: () => {},
  });
  const caller = async (name: number): Promise<never> => {
    for (let count = 0; ; count += 1) {
      const requestId = `${process.pid}/${name}/${count}`;
      await recorder.append(someDecision({ requestId }));
      writeSync(1, `${requestId}\n`);
    }
  };
  await Promise.all(Array.from({ length: Number(callers) }, (_, name) => caller(name)));
} catch (cause) {
  writeSync(2, `${errorText(cause)}\n`);
  process.exit(1);
}
