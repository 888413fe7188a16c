import { afterAll, beforeAll } from 'vitest';
import { exportStoreSuite } from '../support/export-store-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());

exportStoreSuite(() => opened.store);
