import { text } from 'node:stream/consumers';
import { systemClock } from '../../src/base/clock.ts';
import { randomIds } from '../../src/base/ids.ts';
import { createLog } from '../../src/base/log.ts';
import { configSchema } from '../../src/config/index.ts';
import { createMetrics } from '../../src/console/index.ts';
import { createPolicies, problemText } from '../../src/decide/index.ts';
import { createFlow } from '../../src/flow.ts';
import type { FlowPorts } from '../../src/flow/ports.ts';
import { openCertificates } from '../../src/gateway/certificates.ts';
import { logRequest } from '../../src/gateway/log-request.ts';
import { openClusters } from '../../src/gateway/open-clusters.ts';
import { localIssuerOf, openIdentifiers, type Closing } from '../../src/gateway/parts.ts';
import { createListener } from '../../src/listen/index.ts';
import { withLocalIdentities } from '../../src/local/index.ts';
import { maskPathProblem } from '../../src/mask/index.ts';
import {
  createRecorder,
  loadDeploymentKey,
  loadDigestKey,
  type RecordStore,
} from '../../src/record/index.ts';

/**
 * The gateway with a recorder that keeps nothing: the whole path of a request as `gateway.ts` wires it (tokens verified,
 * policy asked, records made, hashed and put in order, metrics and the log), but no database, so that its own cost shows.
 */
type Spec = { readonly config: unknown; readonly peopleUrl: string };

const spec = JSON.parse(await text(process.stdin)) as Spec;
const given = configSchema.parse(spec.config);
const config = withLocalIdentities(given, spec.peopleUrl, []);
const log = createLog(config.logLevel, (line) => process.stderr.write(line));
const closing: Closing[] = [];
const options = { env: process.env, log, onFatal: (why: string) => log.error(why) };

/** A turn of the event loop for each batch, which is less than any commit takes: what comes in it is signed together. */
const keepsNothing: RecordStore = {
  openStream: async () => {},
  append: () =>
    new Promise((resolve) => {
      setImmediate(() => resolve({ kind: 'committed' }));
    }),
  closeStream: async () => {},
  reset: () => {},
};
const recorder = createRecorder({
  store: keepsNothing,
  clock: systemClock,
  digestKey: await loadDigestKey(config.dataDirectory),
  deploymentKey: await loadDeploymentKey({
    dataDirectory: config.dataDirectory,
    configured: null,
    deployment: null,
  }),
  log,
  onFailure: (event) => log.error('recording', { ...event }),
});

const policies = await createPolicies({
  directory: config.policies.directory ?? '',
  opa: { configured: config.policies.opa, searchPath: process.env['PATH'] },
  approverGroups: null,
  isMaskPath: maskPathProblem,
  log,
  clock: systemClock,
  keepSources: async () => {},
  onChange: () => {},
});
if (!policies.ok) throw new Error(policies.error.map(problemText).join('\n'));
const { current } = policies.value;
if (current() === null) throw new Error(policies.value.problems().map(problemText).join('\n'));

const issuer = await localIssuerOf(config, spec.peopleUrl);
const identifiers = openIdentifiers(config, issuer, log, closing);
const clusters = await openClusters(config, options, recorder, closing);
const certificates = await openCertificates(config, log, closing);
const metrics = createMetrics();

/** Nothing is held in these scenarios: a hold would be a mistake of theirs. */
const approvals = new Proxy({} as FlowPorts['approvals'], {
  get: (_target, name) => {
    throw new Error(`the benchmark has no approvals (${String(name)})`);
  },
});

const listener = await createListener({
  address: config.data.address,
  port: config.data.port,
  certificates: certificates.data,
  handler: createFlow({
    clock: systemClock,
    ids: randomIds,
    log,
    identify: identifiers.data.identify,
    policy: current,
    recorder,
    approvals,
    cluster: clusters.find,
    holdWaitMs: config.holds.waitSeconds * 1000,
    streamGraceMs: 0,
    observe: (observation) => {
      metrics.observe(observation);
      logRequest(log, observation);
    },
  }),
  metadata: { resource: () => '', issuers: [] },
  log,
});
log.error('ready', { port: listener.port });
process.on('SIGTERM', () => process.exit(0));
