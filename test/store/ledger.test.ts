import { ledgerSuite } from '../support/ledger-suite.ts';
import { openEmbeddedTestStore } from '../support/test-store.ts';

ledgerSuite(openEmbeddedTestStore);
