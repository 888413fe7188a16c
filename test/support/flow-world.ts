import { DependencyError, refusal } from '../../src/base/errors.ts';
import { createLog } from '../../src/base/log.ts';
import { err, ok } from '../../src/base/result.ts';
import type { Decision, MaskElement, PolicyInput } from '../../src/decide/index.ts';
import { createFlow } from '../../src/flow.ts';
import type { Cluster, FlowPorts, Observation } from '../../src/flow/ports.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../src/forward/index.ts';
import type { Approvals } from '../../src/hold/index.ts';
import type { Identity } from '../../src/identify/index.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import { fakeExchange, type FakeExchange, type FakeRequest } from './fake-exchange.ts';

export const POLICY = { wasm: 'sha256:a', sources: 'sha256:b', compiler: 'opa/test', revision: '' };

export const agent: Identity = {
  issuer: 'https://issuer.test',
  subject: 'agent-1',
  username: 'agent-1',
  uid: '',
  groups: ['agents'],
  groupsComplete: true,
  kind: 'agent',
  actor: [],
  claims: {},
  token: {
    type: 'JWT',
    id: '',
    expires: '2026-11-20T13:00:00Z',
    azp: '',
    acr: '',
    amr: [],
    authTime: '',
  },
  expiresAtMs: Date.parse('2026-11-20T13:00:00Z'),
};

export const decision = (more: Partial<Decision> = {}): Decision => ({
  verdict: 'allow',
  because: [{ rule: 'test', id: 'one', reason: 'a test says so' }],
  holds: [],
  mask: [],
  record: [],
  policy: POLICY,
  ...more,
});

export const mask = (...fields: string[]): MaskElement => ({
  rule: 'secrets',
  id: 'values',
  reason: 'secret values stay in the cluster',
  fields,
  where: {},
  patterns: [],
});

export type Scripted = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

/** An upstream answer made of bytes. */
export function scriptedAnswer(scripted: Scripted): UpstreamAnswer {
  const bytes = Buffer.from(
    typeof scripted.body === 'string' ? scripted.body : JSON.stringify(scripted.body ?? {}),
  );
  return {
    status: scripted.status ?? 200,
    headers: Object.entries({ 'content-type': 'application/json', ...scripted.headers }),
    pipe: (sink) => {
      sink.write(bytes);
      return Promise.resolve(ok(bytes.length));
    },
    read: () => Promise.resolve(ok(bytes)),
    abort: () => {},
  };
}

export type World = {
  readonly sent: UpstreamRequest[];
  readonly records: RecordEntry[];
  readonly logs: string[];
  readonly inputs: PolicyInput[];
  readonly observations: Observation[];
  /** What breaks: set by a test. */
  readonly broken: { recorder: boolean; recorderSaysSo: boolean };
  /** Serves an exchange of the test's own. */
  readonly handle: (exchange: FakeExchange) => Promise<void>;
  readonly call: (request: FakeRequest) => Promise<FakeExchange>;
  readonly start: (request: FakeRequest) => {
    readonly exchange: FakeExchange;
    readonly done: Promise<void>;
  };
};

export type WorldOptions = {
  /** The cluster's answer to an upgrade; unreachable by default. */
  readonly upgrade?: Upstream['upgrade'];
  readonly decide?: (input: PolicyInput) => Decision;
  readonly upstream?: (
    request: UpstreamRequest,
  ) => UpstreamAnswer | Promise<UpstreamAnswer> | 'unreachable' | 'broken';
  readonly readsObject?: boolean;
  readonly fetchesLive?: (input: PolicyInput) => boolean;
  readonly noPolicy?: boolean;
  readonly approvals?: Partial<Approvals>;
  readonly identify?: FlowPorts['identify'];
  /** Finds clusters instead of the one that is scripted. */
  readonly cluster?: FlowPorts['cluster'];
  /** Asked whenever the cluster is looked up: what the configuration says of it now. */
  readonly clusterNow?: () => Partial<Pick<Cluster, 'labels' | 'server' | 'use'>> | 'removed';
};

const NO_APPROVALS = new Proxy(
  {},
  { get: () => () => Promise.reject(new Error('no approvals in this test')) },
);

/** A flow whose every port is a fake that a test can look into and break. */
export function flowWorld(options: WorldOptions = {}): World {
  const sent: UpstreamRequest[] = [];
  const records: RecordEntry[] = [];
  const logs: string[] = [];
  const inputs: PolicyInput[] = [];
  const observations: Observation[] = [];
  const broken = { recorder: false, recorderSaysSo: false };
  let nextId = 0;
  const answer =
    options.upstream ?? (() => scriptedAnswer({ body: { kind: 'Pod', apiVersion: 'v1' } }));
  const ports: FlowPorts = {
    clock: {
      nowMs: () => Date.parse('2026-11-20T12:00:00Z'),
      monotonicMs: () => performance.now(),
    },
    ids: {
      next: () => {
        nextId += 1;
        return `id-${nextId}`;
      },
    },
    log: createLog('debug', (line) => logs.push(line)),
    identify:
      options.identify ??
      ((rawHeaders) =>
        Promise.resolve(
          rawHeaders.includes('Bearer agent')
            ? ok(agent)
            : err(refusal('HOLDGATE_IDENTIFY_TOKEN_MISSING', 'no bearer token')),
        )),
    policy: () =>
      options.noPolicy === true
        ? null
        : {
            readsObject: options.readsObject ?? false,
            fetches: options.fetchesLive !== undefined,
            decide: (input) => {
              inputs.push(input);
              return Promise.resolve((options.decide ?? (() => decision()))(input));
            },
            fetchesLive: (input) => Promise.resolve(options.fetchesLive?.(input) ?? false),
          },
    recorder: {
      append: (entry) => {
        if (broken.recorder) {
          return Promise.reject(
            new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', 'the database is down'),
          );
        }
        records.push(entry);
        return Promise.resolve();
      },
      available: () => !broken.recorderSaysSo,
      digest: (bytes) => `hmac-sha256:${bytes.length}`,
      close: () => Promise.resolve(),
    },
    approvals: { ...NO_APPROVALS, ...options.approvals } as Approvals,
    cluster:
      options.cluster ??
      ((name) => {
        const now = options.clusterNow?.() ?? {};
        return now !== 'removed' && (name === null || name === 'test')
          ? ok({
              name: 'test',
              labels: {},
              server: 'https://cluster.test:6443',
              use: () => () => {},
              ...now,
              upstream: {
                send: async (request) => {
                  sent.push(request);
                  const made = await answer(request);
                  if (made === 'unreachable')
                    return err(refusal('HOLDGATE_FORWARD_UNREACHABLE', 'cannot connect'));
                  if (made === 'broken')
                    return err(refusal('HOLDGATE_FORWARD_BROKEN', 'connection reset'));
                  return ok(made);
                },
                upgrade: async (request) =>
                  (await options.upgrade?.(request)) ??
                  err(refusal('HOLDGATE_FORWARD_UNREACHABLE', 'cannot connect')),
                close: () => Promise.resolve(),
              },
            })
          : err(refusal('HOLDGATE_LISTEN_CLUSTER_UNKNOWN', `there is no cluster "${name}"`));
      }),
    holdWaitMs: 1000,
    streamGraceMs: 1000,
    observe: (observation) => observations.push(observation),
  };
  const handler = createFlow(ports);
  const start: World['start'] = (request) => {
    const exchange = fakeExchange(request);
    return { exchange, done: handler(exchange) };
  };
  return {
    sent,
    handle: handler,
    records,
    logs,
    inputs,
    observations,
    broken,
    start,
    call: async (request) => {
      const started = start(request);
      await started.done;
      return started.exchange;
    },
  };
}
