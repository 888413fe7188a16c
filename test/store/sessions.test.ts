import { afterAll, beforeAll } from 'vitest';
import { sessionStoreSuite } from '../support/session-store-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());

sessionStoreSuite(() => opened.store);
