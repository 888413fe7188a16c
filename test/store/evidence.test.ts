import { afterAll, beforeAll } from 'vitest';
import { evidenceSuite } from '../support/evidence-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());

evidenceSuite(() => opened.store);
