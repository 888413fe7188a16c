import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { connectStore, migrate, type Store } from '../../src/store/index.ts';
import { evidenceSuite } from '../support/evidence-suite.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let server: TestPostgres;
let store: Store;
beforeAll(async () => {
  server = await startPostgres();
  const url = new Secret(await server.createDatabase());
  store = await connectStore({
    url,
    dataDirectory: '/nonexistent',
    log: silentLog,
    clock: systemClock,
  });
  await migrate(store, { log: silentLog });
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

evidenceSuite(() => store);
