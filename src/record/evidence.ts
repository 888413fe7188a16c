/** What of the tamper evidence others wire: keys, the ledger and its anchors. */
export { fileAnchor, logAnchor, webhookAnchor } from './ledger/anchor-places.ts';
export { Anchors, type Anchor } from './ledger/anchors.ts';
export { acceptHead, checkHead, type SeenHead } from './ledger/addition.ts';
export { ledgerHeadFile, readLedgerHead } from './ledger/ledger-head-file.ts';
export type {
  LedgerAddition,
  LedgerStore,
  LedgerView,
  SilentStream,
  StoredHead,
} from './ledger/ledger-store.ts';
export { Ledger } from './ledger/ledger.ts';
export { loadDeploymentKey, type DeploymentKey } from './signing/deployment-key.ts';
