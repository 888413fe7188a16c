import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { resolveSecret, type Config } from '../config/index.ts';
import {
  acceptHead,
  Anchors,
  checkHead,
  createEvidenceExports,
  createRecorder,
  fileAnchor,
  Ledger,
  ledgerHeadFile,
  loadDeploymentKey,
  loadDigestKey,
  logAnchor,
  readLedgerHead,
  webhookAnchor,
  type Anchor,
  type DeploymentKey,
  type EvidenceExports,
  type LedgerStore,
  type Recorder,
  type SeenHead,
} from '../record/index.ts';
import {
  createEvidenceSource,
  createLedgerStore,
  createRecordStore,
  type Store,
} from '../store/index.ts';
import { StartError, type Closing, type GatewayOptions } from './parts.ts';

/**
 * Opens the record: the recorder and, beside it, the ledger that proves it unchanged. Throws a StartError where the database
 * is not the one that this gateway saw last.
 */
export async function openRecorder(
  config: Config,
  store: Store,
  options: GatewayOptions,
  closing: Closing[],
): Promise<Recorder> {
  const { log } = options;
  const ledgerStore = createLedgerStore(store);
  const deploymentKey = await deploymentKeyOf(config, options);
  const start = await ledgerStart(config.dataDirectory, ledgerStore, deploymentKey, options);
  const ledger = new Ledger({
    store: ledgerStore,
    deploymentKey,
    clock: systemClock,
    log,
    anchors: new Anchors(anchorsOf(config, options), {
      store: ledgerStore,
      clock: systemClock,
      log,
    }),
    headFile: ledgerHeadFile(config.dataDirectory),
    seen: start.seen,
  });
  closing.push({ name: 'ledger', close: () => ledger.close() });
  const recorder = createRecorder({
    store: createRecordStore(store),
    clock: systemClock,
    digestKey: await loadDigestKey(config.dataDirectory),
    deploymentKey,
    log,
    onFailure: (event) => log.error('recording', { ...event }),
    onCommitted: (state) => ledger.noteStream(state),
  });
  closing.push({ name: 'recorder', close: () => recorder.close() });
  if (start.restored !== null) {
    await recorder.append({ kind: 'restored', requestId: '', cluster: '', ...start.restored });
  }
  ledger.start((entry) => recorder.append(entry));
  return recorder;
}

/** Makes bundles of the record for auditors. */
export async function openEvidenceExports(
  config: Config,
  { store, recorder }: { readonly store: Store; readonly recorder: Recorder },
  options: GatewayOptions,
): Promise<EvidenceExports> {
  return createEvidenceExports({
    source: createEvidenceSource(store),
    recorder,
    deploymentKey: await deploymentKeyOf(config, options),
    clock: systemClock,
  });
}

/** The deployment's key, as it is configured. Throws a StartError, or a DependencyError that says what to do. */
export async function deploymentKeyOf(
  { dataDirectory, record }: Pick<Config, 'dataDirectory' | 'record'>,
  { env }: Pick<GatewayOptions, 'env'>,
): Promise<DeploymentKey> {
  const configured =
    record.deploymentKey === undefined ? null : resolveSecret(record.deploymentKey, '.', env);
  if (configured?.ok === false) throw new StartError(configured.error);
  return loadDeploymentKey({
    dataDirectory,
    configured: configured?.value ?? null,
    deployment: record.deployment ?? null,
  });
}

type LedgerStart = {
  readonly seen: SeenHead | null;
  /** What was acknowledged; null where nothing had to be. */
  readonly restored: { readonly seen: string; readonly found: string } | null;
};

async function ledgerStart(
  dataDirectory: string,
  store: LedgerStore,
  key: DeploymentKey,
  { log, acknowledgeRestored }: GatewayOptions,
): Promise<LedgerStart> {
  const file = ledgerHeadFile(dataDirectory);
  const last = await readLedgerHead(file, key);
  const seen = last.ok && last.value !== null ? { ...last.value, accepted: null } : null;
  const view = await store.look(seen?.size ?? 0);
  const head = last.ok ? checkHead(view, seen, key) : last;
  if (head.ok) return { seen, restored: null };
  if (acknowledgeRestored !== true) throw new StartError(refusalText(head.error, file));
  const accepted = acceptHead(view.head);
  if (!accepted.ok) {
    throw new StartError(
      `the database cannot be gone on with: ${accepted.error}; restore a backup`,
    );
  }
  log.warn('another database than before was acknowledged', { problem: head.error });
  const found = view.head?.checkpoint ?? '';
  return {
    seen: accepted.value,
    restored: { seen: last.ok ? (last.value?.note ?? '') : '', found },
  };
}

function refusalText(problem: string, file: string): string {
  return (
    `the database is not the one that this gateway recorded into: ${problem}.\n` +
    'Records may have been lost or changed. If it is an older backup, restore the newest one. If this is a new replica, ' +
    'give it the deployment key of the others (deployment.key in their data directory, or record.deploymentKey). ' +
    `What this gateway saw last is in ${file}; keep a copy for the auditor. ` +
    'To go on with this database all the same, start once with --acknowledge-restored-database: that is recorded.'
  );
}

function anchorsOf(
  { record }: Config,
  { log, env }: { log: Log } & Pick<GatewayOptions, 'env'>,
): Anchor[] {
  const { log: isLogged, file, webhook } = record.anchors;
  const anchors: Anchor[] = [];
  if (isLogged) anchors.push(logAnchor(log));
  if (file !== undefined) anchors.push(fileAnchor(file));
  if (webhook !== undefined) {
    const token = () => {
      const read = resolveSecret(webhook.token, '.', env);
      if (!read.ok) throw new Error(read.error);
      return read.value;
    };
    anchors.push(webhookAnchor(webhook.url, token));
  }
  return anchors;
}
