import { isEnd, isGrave, type AuditEvent } from './audit-event.ts';
import { differences } from './differences.ts';
import type { ExplainedCall, RecordedCalls } from './recorded-calls.ts';

/** Something that the audit log and the record do not agree about. */
export type Finding = {
  readonly kind:
    /** A write, a session or a read of a secret that no record explains: it went round the gateway. */
    | 'unrecorded'
    /** The same with the gateway's own credential, plain reads too. */
    | 'gateway-credential'
    /** The record says that it was refused, or held and never released. */
    | 'refused'
    /** More often in the log than the record explains: somebody sent a known Audit-ID again. */
    | 'repeated'
    /** By another user of the cluster than the gateway's. */
    | 'other-user'
    | 'different'
    /** The record says that the cluster answered, and the log does not have it. */
    | 'missing';
  readonly auditId: string;
  /** RFC 3339. */
  readonly at: string;
  /** The cluster's user, or for `missing` the gateway's caller. */
  readonly user: string;
  readonly verb: string;
  readonly what: string;
  readonly detail: string;
};

export type ReconcileOptions = {
  /** Milliseconds since the Unix epoch; what was received outside is not looked at. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** User names that are not expected on record; `*` at the end stands for anything. */
  readonly ignoredUsers: readonly string[];
  /** The cluster's users that the gateway has; empty: those that explained calls came as. */
  readonly gatewayUsers: readonly string[];
  /** Whether plain reads count too. */
  readonly reads: boolean;
  /** How far the clocks of gateway and cluster may be apart. Milliseconds. */
  readonly skewMs: number;
};

export type Reconciled = {
  readonly findings: readonly Finding[];
  readonly counts: {
    /** Calls of the log in the range, and of these the ones that a record explains. */
    readonly calls: number;
    readonly explained: number;
    /** Not explained, and left out: plain reads, and calls of ignored users. */
    readonly plainReads: number;
    readonly ignored: number;
    /** Findings that were counted and not kept. */
    readonly unlisted: number;
  };
  readonly gatewayUsers: readonly string[];
};

/** What is kept of a user's calls that may turn out to be the gateway's own. */
type Passed = { readonly samples: Finding[]; count: number };

const findingsMax = 10_000;
const samplesMax = 100;
const usersMax = 10_000;
/** Calls of which only the beginning was seen. */
const openMax = 1_000_000;

/** Holds an audit log against the record. Give it each event once, in any order, then ask for the result. */
export class Reconciliation {
  readonly #calls: RecordedCalls;
  readonly #options: ReconcileOptions;
  readonly #findings: Finding[] = [];
  readonly #ends = new Map<string, number>();
  readonly #seen = new Set<string>();
  /** Unexplained calls by Audit-ID: whether their end was seen. */
  readonly #unexplained = new Map<string, AuditEvent>();
  readonly #users = new Map<string, number>();
  readonly #clusters = new Set<string>();
  readonly #passed = new Map<string, Passed>();
  #count = { calls: 0, plainReads: 0, ignored: 0, unlisted: 0 };
  #range = { firstMs: Infinity, lastMs: -Infinity };

  constructor(calls: RecordedCalls, options: ReconcileOptions) {
    this.#calls = calls;
    this.#options = options;
  }

  add(event: AuditEvent): void {
    const { sinceMs, untilMs } = this.#options;
    const receivedMs = Date.parse(event.requestReceivedTimestamp);
    if (receivedMs < sinceMs || receivedMs >= untilMs) return;
    this.#range.firstMs = Math.min(this.#range.firstMs, receivedMs);
    this.#range.lastMs = Math.max(this.#range.lastMs, receivedMs);
    const call = this.#calls.byId.get(event.auditID);
    if (call !== undefined) this.#explained(event, call);
    else if (isEnd(event)) {
      this.#unexplained.delete(event.auditID);
      this.#unrecorded(event);
    } else if (this.#unexplained.size < openMax) this.#unexplained.set(event.auditID, event);
    else this.#unrecorded(event);
  }

  result(): Reconciled {
    // Still running where the log ends, or cut off with it: they began, and that is what counts.
    for (const event of this.#unexplained.values()) this.#unrecorded(event);
    this.#unexplained.clear();
    const gatewayUsers = this.#gatewayUsers();
    for (const user of gatewayUsers) {
      const passed = this.#passed.get(user);
      for (const one of passed?.samples ?? []) this.#find({ ...one, kind: 'gateway-credential' });
      this.#count.unlisted += Math.max(0, (passed?.count ?? 0) - samplesMax);
    }
    this.#missing();
    const { calls, plainReads, ignored, unlisted } = this.#count;
    const findings = this.#findings.map((one) =>
      one.kind === 'unrecorded' && gatewayUsers.includes(one.user)
        ? { ...one, kind: 'gateway-credential' as const }
        : one,
    );
    const explained = this.#seen.size;
    return {
      findings: findings.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
      counts: { calls: calls + explained, explained, plainReads, ignored, unlisted },
      gatewayUsers,
    };
  }

  #gatewayUsers(): readonly string[] {
    const { gatewayUsers } = this.#options;
    return gatewayUsers.length > 0 ? gatewayUsers : [...this.#users.keys()].toSorted();
  }

  #find(finding: Finding): void {
    if (this.#findings.length < findingsMax) this.#findings.push(finding);
    else this.#count.unlisted += 1;
  }

  #unrecorded(event: AuditEvent): void {
    this.#count.calls += 1;
    const { username } = event.user;
    const finding = findingOf('unrecorded', event, '');
    const isIgnored = this.#options.ignoredUsers.some((pattern) => matches(pattern, username));
    const isPlain = !this.#options.reads && !isGrave(event);
    if (!isIgnored && !isPlain) return this.#find(finding);
    if (isIgnored) this.#count.ignored += 1;
    else this.#count.plainReads += 1;
    // The gateway's own user may be an ignored one, a service account say: which it is shows only at the end.
    const passed = this.#passed.get(username);
    if (passed !== undefined) {
      passed.count += 1;
      if (passed.samples.length < samplesMax) passed.samples.push(finding);
    } else if (this.#passed.size < usersMax) {
      this.#passed.set(username, { samples: [finding], count: 1 });
    }
  }

  #explained(event: AuditEvent, call: ExplainedCall): void {
    const { auditID } = event;
    this.#clusters.add(call.cluster);
    const isNew = !this.#seen.has(auditID);
    this.#seen.add(auditID);
    if (isNew) {
      const { username } = event.user;
      this.#users.set(username, (this.#users.get(username) ?? 0) + 1);
      const { gatewayUsers } = this.#options;
      if (gatewayUsers.length > 0 && !gatewayUsers.includes(username)) {
        this.#find(findingOf('other-user', event, `the gateway is ${gatewayUsers.join(', ')}`));
      }
      if (call.refused !== '') {
        this.#find(findingOf('refused', event, `on record as refused: ${call.refused}`));
      }
    }
    if (!isEnd(event)) return;
    const ends = (this.#ends.get(auditID) ?? 0) + 1;
    this.#ends.set(auditID, ends);
    // A read whose connection vanished is asked again, with the same Audit-ID (forward/transport/direct.ts).
    if (ends > call.triesMax && isGrave(event)) {
      const detail = `${ends} times in the log, ${call.triesMax} on record`;
      return this.#find(findingOf('repeated', event, detail));
    }
    // Of several tries the last has the status that is on record.
    const found = differencesOf(call, event).filter(
      (one) => ends === call.triesMax || !one.startsWith('status'),
    );
    if (found.length > 0 && (call.triesMax === 1 || !isConflict(event))) {
      this.#find(findingOf('different', event, found.join('; ')));
    }
  }

  #missing(): void {
    const { sinceMs, untilMs, skewMs, reads } = this.#options;
    const fromMs = Math.max(sinceMs, this.#range.firstMs + skewMs);
    const toMs = Math.min(untilMs, this.#range.lastMs - skewMs);
    const clusters = new Set([...this.#calls.byId.values()].map(({ cluster }) => cluster));
    for (const [auditId, call] of this.#calls.byId) {
      const { request, cluster, sentMs } = call;
      if (request === null || call.upstreamStatus === 0 || this.#seen.has(auditId)) continue;
      if (sentMs < fromMs || sentMs >= toMs) continue;
      // Another cluster's calls are in another log.
      if (clusters.size > 1 && !this.#clusters.has(cluster)) continue;
      const [resource = '', subresource = ''] = request.resource.split('/');
      const seen = { verb: request.wire.verb, objectRef: { resource, subresource } };
      if (!reads && !isGrave(seen)) continue;
      this.#find({
        kind: 'missing',
        auditId,
        at: new Date(sentMs).toISOString(),
        user: call.username,
        verb: request.verb,
        what: placeOf(request, call.target),
        detail: `the record says that the cluster answered ${call.upstreamStatus}`,
      });
    }
  }
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

const isConflict = ({ responseStatus }: AuditEvent): boolean => responseStatus?.code === 409;

function differencesOf(call: ExplainedCall, event: AuditEvent): readonly string[] {
  if (call.purpose === 'request') return differences(call, event);
  // What was cut or replaced in the record cannot be compared.
  const { target } = call;
  if (target.includes('[redacted]') || target.includes('...(+')) return [];
  return target === event.requestURI
    ? []
    : [`requestURI: ours ${JSON.stringify(target)}, audit ${JSON.stringify(event.requestURI)}`];
}

function findingOf(kind: Finding['kind'], event: AuditEvent, detail: string): Finding {
  const { objectRef, requestURI } = event;
  const joined = [objectRef?.resource ?? '', objectRef?.subresource ?? ''].filter(
    (one) => one !== '',
  );
  const place = { namespace: '', name: '', ...objectRef, resource: joined.join('/') };
  return {
    kind,
    auditId: event.auditID,
    at: event.requestReceivedTimestamp,
    user: event.user.username,
    verb: event.verb,
    what: placeOf(place, requestURI),
    detail,
  };
}

/** `pods/exec payments/checkout`; the target where there is no resource. */
function placeOf(
  {
    resource,
    namespace,
    name,
  }: {
    readonly resource: string;
    readonly namespace: string | undefined;
    readonly name: string | undefined;
  },
  target: string,
): string {
  if (resource === '') return target;
  const place = [namespace ?? '', name ?? ''].filter((one) => one !== '').join('/');
  return `${resource} ${place}`.trimEnd();
}
