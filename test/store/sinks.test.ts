import { sinkStoreSuite } from '../support/sink-store-suite.ts';
import { openEmbeddedTestStore } from '../support/test-store.ts';

sinkStoreSuite(openEmbeddedTestStore);
