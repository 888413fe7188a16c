import { afterAll, beforeAll } from 'vitest';
import { approvalStoreSuite } from '../support/approval-store-suite.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore | null = null;

beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 60_000);

afterAll(async () => opened?.close());

approvalStoreSuite('the embedded database', () => {
  if (opened === null) throw new Error('not open');
  return opened.store;
});
