import { afterAll, beforeAll } from 'vitest';
import { decisionStoreSuite } from '../support/decision-store-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());

decisionStoreSuite(() => opened.store);
