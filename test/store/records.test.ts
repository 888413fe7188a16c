import { afterAll, beforeAll } from 'vitest';
import { recordStoreSuite } from '../support/record-store-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());

recordStoreSuite(() => opened.store);
