import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { connectStore, migrate } from '../../src/store/index.ts';
import { sinkStoreSuite } from '../support/sink-store-suite.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

sinkStoreSuite(async () => {
  const store = await connectStore({
    url: new Secret(await server.createDatabase()),
    dataDirectory: '/nonexistent',
    log: silentLog,
    clock: systemClock,
  });
  await migrate(store, { log: silentLog });
  return { store, close: () => store.close() };
});
