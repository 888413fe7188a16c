import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { connectStore, migrate, type Store } from '../../src/store/index.ts';

export type TestStore = { readonly store: Store; readonly close: () => Promise<void> };

/** An embedded database of its own, migrated, in a directory that `close` removes. */
export async function openEmbeddedTestStore(): Promise<TestStore> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'holdgate-store-'));
  const store = await connectStore({
    url: null,
    dataDirectory,
    log: silentLog,
    clock: systemClock,
  });
  await migrate(store, { log: silentLog });
  return {
    store,
    close: async () => {
      await store.close();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}
