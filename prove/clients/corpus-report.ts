import { policyVerbs } from '../../src/kube/request.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { routeTarget } from '../../src/listen/index.ts';
import { differences } from '../../src/record/index.ts';
import type { DecisionDetail } from '../../src/store/index.ts';
import type { AuditEvent } from '../support/audit-log.ts';
import type { RawAnswer } from '../support/raw-client.ts';
import type { Report } from '../support/report.ts';
import { hostileTemplate } from './corpus-others.ts';
import type { CorpusRequest } from './corpus-requests.ts';

const shownDifferencesMax = 8;

/** A request with all that is known of it afterwards. */
export type Done = {
  readonly request: CorpusRequest;
  readonly answer: RawAnswer;
  /** Null where the gateway answered without a record: bytes that are no HTTP. */
  readonly detail: DecisionDetail | null;
};

/** Whether the gateway decided to send it: recorded before it is sent. */
export const passed = ({ detail }: Done): boolean =>
  detail !== null && detail.decision.verdict === 'allow' && detail.decision.code === null;

/** The part of the audit log that was written since the corpus began. */
export type Log = {
  readonly byId: ReadonlyMap<string, readonly AuditEvent[]>;
  readonly all: readonly AuditEvent[];
};

/** The entries that end a request: a handler that panicked has one of stage Panic instead. */
export const endsOf = (log: Log, id: string): readonly AuditEvent[] =>
  (log.byId.get(id) ?? []).filter(({ stage }) => stage === 'ResponseComplete' || stage === 'Panic');

/** Every check of the corpus, of what was sent, what was recorded and what the audit log holds. */
export function reportCorpus(report: Report, done: readonly Done[], log: Log, seed: number): void {
  reportAnswers(report, done, seed);
  reportHostile(report, done);
  reportPresence(report, done, log);
  reportDifferences(report, done, log);
  reportOwnCalls(report, done, log);
}

const line = ({ request }: Done): string =>
  `[${request.template}, ${request.raw.protocol}] ${request.raw.method} ${request.raw.target.slice(0, 200)}`;

/** The count, and the first few of them. */
function shown(of: readonly string[], total: number): string {
  const first = of.slice(0, shownDifferencesMax).map((one) => `\n    ${one}`);
  return `${of.length} of ${total}${first.join('')}`;
}

function reportAnswers(report: Report, done: readonly Done[], seed: number): void {
  // What Node's HTTP/1.1 or HTTP/2 parser refuses by itself is no request yet: it has no record.
  const http = done.filter((one) => !one.answer.noHttp);
  const silent = http.filter((one) => one.answer.status === 0 || !one.answer.ended).map(line);
  const over2 = done.filter((one) => one.request.raw.protocol === 'h2').length;
  report.check(
    `corpus (seed ${seed}, ${over2} over HTTP/2, ${done.length - over2} over HTTP/1.1): without an answer`,
    shown(silent, http.length),
    '0',
    silent.length === 0,
  );
  const unrecorded = http.filter((one) => one.detail === null).map(line);
  report.check(
    `corpus: answered without a decision record (beside ${done.length - http.length} that are no HTTP)`,
    shown(unrecorded, http.length),
    '0',
    unrecorded.length === 0,
  );
  const through = done.filter(passed);
  const seen = new Set(through.map((one) => one.detail?.decision.input?.request.verb));
  // Each verb that policy knows must have come through, or the corpus proves less than it says.
  const missing = policyVerbs.filter((verb) => !seen.has(verb));
  report.check(
    'corpus: let through',
    `${through.length} of ${done.length}, ${new Set(through.map(kindOf)).size} kinds of verb and resource, without verbs: ${missing.join(' ') || 'none'}`,
    'more than half, every verb',
    through.length > done.length / 2 && missing.length === 0,
  );
}

function reportHostile(report: Report, done: readonly Done[]): void {
  const hostile = done.filter((one) => one.request.template === hostileTemplate);
  const through = hostile.filter(passed).map(line);
  report.check(
    'corpus: hostile request lines let through',
    shown(through, hostile.length),
    '0',
    through.length === 0 && hostile.length > 0,
  );
}

function kindOf({ detail }: Done): string {
  const request = detail?.decision.input?.request;
  return request === undefined ? '' : `${request.verb} ${request.group}/${request.resource}`;
}

function reportPresence(report: Report, done: readonly Done[], log: Log): void {
  const through = done.filter(passed);
  const notOnce = through
    .map((one) => ({ one, times: endsOf(log, one.answer.auditId).length }))
    .filter(({ times }) => times !== 1);
  report.check(
    'audit log: let through, and not there exactly once (stage ResponseComplete or Panic)',
    shown(
      notOnce.map(({ one, times }) => `${times} times: ${line(one)}`),
      through.length,
    ),
    '0',
    notOnce.length === 0,
  );
  const refused = done.filter((one) => !passed(one));
  const agents = new Set(log.all.map((event) => event.userAgent ?? ''));
  const reached = refused.filter(
    (one) => log.byId.has(one.answer.auditId) || agents.has(one.request.marker),
  );
  report.check(
    'audit log: refused by the gateway, and there under its Audit-ID or User-Agent',
    shown(reached.map(line), refused.length),
    '0',
    reached.length === 0 && refused.length > 0,
  );
}

/** What leaves for a target, by the gateway's own route and rebuilding. */
function requestUri(raw: string): string {
  const parsed = parseTarget(raw);
  if (!parsed.ok) return '';
  const route = routeTarget(parsed.value);
  return route.ok && route.value.kind === 'cluster' ? route.value.target.rebuilt : '';
}

function reportDifferences(report: Report, done: readonly Done[], log: Log): void {
  const through = done.filter(passed);
  const found: string[] = [];
  for (const one of through) {
    const { detail, request, answer } = one;
    const [event] = endsOf(log, answer.auditId);
    if (detail === null || event === undefined) continue; // counted as not there
    const events = log.byId.get(answer.auditId) ?? [];
    const known = {
      streams: events.some(({ stage }) => stage === 'ResponseStarted'),
      requestUri: requestUri(request.raw.target),
      bodyNamespace: request.bodyNamespace,
    };
    const call = {
      request: detail.decision.input?.request ?? null,
      upstreamStatus: detail.outcome?.upstreamStatus ?? 0,
    };
    const differing = [...differences(call, event, known)];
    if (event.userAgent !== request.marker) differing.push(`user agent: ${event.userAgent}`);
    if (differing.length > 0) found.push(`${line(one)}: ${differing.join('; ')}`);
  }
  report.check(
    'audit log: names another verb, group, version, resource, subresource, namespace, name, URI or status than the decision record',
    shown(found, through.length),
    '0',
    found.length === 0 && through.length > 0,
  );
}

/** The gateway's own calls are recorded as attempts; nothing else of its user's may stand in the log. */
function reportOwnCalls(report: Report, done: readonly Done[], log: Log): void {
  const attempts = done.flatMap((one) => one.detail?.attempts ?? []);
  const differing = attempts.filter((attempt) => {
    const events = endsOf(log, attempt.attemptId);
    return events.length !== 1 || events[0]?.requestURI !== attempt.target;
  });
  report.check(
    "audit log: the gateway's own calls (dry runs, reads of live objects) that are not there once as recorded",
    shown(
      differing.map((one) => `${one.method} ${one.target}`),
      attempts.length,
    ),
    '0',
    differing.length === 0,
  );
  const known = new Set([
    ...done.map((one) => one.answer.auditId),
    ...attempts.map((attempt) => attempt.attemptId),
  ]);
  const ours = log.all.filter(
    (event) => event.stage === 'RequestReceived' && event.user.username === 'gateway',
  );
  const strays = ours.filter((event) => !known.has(event.auditID));
  report.check(
    "audit log: calls with the gateway's credential that no record explains",
    shown(
      strays.map((event) => `${event.verb} ${event.requestURI}`),
      ours.length,
    ),
    '0',
    strays.length === 0,
  );
}
