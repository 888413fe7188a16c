import { refusal, type ErrorCode, type Refusal } from '../base/errors.ts';
import { errorText } from '../base/log.ts';
import { headerValue } from '../kube/header-value.ts';
import { statusOf } from '../kube/status.ts';
import type { RequestAttributes } from '../kube/request.ts';
import type { Decision, PolicyInput, Verdict } from '../decide/index.ts';
import type { Identity } from '../identify/index.ts';
import type { Exchange } from '../listen/index.ts';
import {
  recordedInput,
  targetForRecord,
  type BodyRef,
  type OutcomeEntry,
} from '../record/index.ts';
import type { Cluster, FlowPorts } from './ports.ts';

/** What is known of a call so far: grows stage by stage, so that every exit records all that was known. */
type Facts = {
  cluster: string;
  identity: Identity | null;
  attributes: RequestAttributes | null;
  input: PolicyInput | null;
  decision: Decision | null;
  bodies: readonly BodyRef[];
  approvalId: string | null;
  digest: string | null;
};

type Ended = Pick<OutcomeEntry, 'endedBy' | 'complete'> & {
  readonly status: number;
  readonly upstreamStatus?: number;
  readonly bytesSent?: number;
  readonly refusal?: Refusal | undefined;
  readonly session?: OutcomeEntry['session'];
};

/** A refusal, with what a second one for the same reasons has to record. Objects are not in it: it is kept for a while. */
export type Told = {
  readonly refused: Refusal;
  readonly facts: Readonly<Pick<Facts, 'input' | 'decision' | 'approvalId' | 'digest'>>;
};

function toldOf(refused: Refusal, { input, decision, approvalId, digest }: Facts): Told {
  const kept = input === null ? null : { ...input, live: null };
  return { refused, facts: { input: kept, decision, approvalId, digest } };
}

/** What kubectl sends is a UUID; anything else would let a caller write what it likes into the record. */
const KUBECTL_SESSION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function kubectlSession(rawHeaders: readonly string[]): string | undefined {
  const value = headerValue(rawHeaders, 'kubectl-session').toLowerCase();
  return KUBECTL_SESSION.test(value) ? value : undefined;
}

/**
 * The record that wraps a call: opened before anything is decided, closed on every exit. One `decision`, one
 * `outcome`, whatever happens; the only place that answers with a refusal.
 */
export class Call {
  readonly requestId: string;
  readonly exchange: Exchange;
  readonly #ports: FlowPorts;
  readonly #startedMs: number;
  readonly #stagesMs: Record<string, number> = {};
  readonly #facts: Facts = {
    cluster: '',
    identity: null,
    attributes: null,
    input: null,
    decision: null,
    bodies: [],
    approvalId: null,
    digest: null,
  };
  readonly #uses: (() => void)[] = [];
  #decided = false;
  #closed = false;
  #refused: (told: Told) => void = () => {};

  constructor(exchange: Exchange, ports: FlowPorts) {
    this.exchange = exchange;
    this.#ports = ports;
    this.requestId = ports.ids.next();
    this.#startedMs = ports.clock.monotonicMs();
  }

  /** Adds what a stage found out. */
  know(facts: Partial<Facts>): void {
    Object.assign(this.#facts, facts);
  }

  /** Names who wants to know of a refusal that was the gateway's own decision. */
  onRefused(listener: (told: Told) => void): void {
    this.#refused = listener;
  }

  /** Takes a cluster for this call: its upstream stays open until `letGo`. */
  uses(cluster: Cluster): void {
    this.#uses.push(cluster.use());
  }

  /** Calls `done` when the call ended. */
  untilOver(done: () => void): void {
    this.#uses.push(done);
  }

  /** The call ended, whichever way. */
  letGo(): void {
    for (const done of this.#uses.splice(0)) done();
  }

  /** Notes when a stage was done. */
  stage(name: string): void {
    this.#stagesMs[name] = this.#sinceStartMs();
  }

  /** Appends the decision record; resolves when it is committed, rejects when that is not sure. */
  async decided(verdict: Verdict, refused: Refusal | null = null): Promise<void> {
    const { exchange } = this;
    const facts = this.#facts;
    const { decision, input, identity } = facts;
    await this.#ports.recorder.append({
      kind: 'decision',
      requestId: this.requestId,
      cluster: facts.cluster,
      verdict,
      code: refused?.code ?? null,
      message: refused?.message ?? '',
      detail: refused?.detail ?? decision?.failure ?? '',
      method: exchange.method,
      target: targetForRecord(exchange.target),
      sourceIp: exchange.remoteAddress,
      userAgent: headerValue(exchange.rawHeaders, 'user-agent'),
      user:
        identity === null
          ? null
          : { issuer: identity.issuer, subject: identity.subject, username: identity.username },
      input: input === null ? null : recordedInput(input),
      because: decision?.because ?? [],
      mask: decision?.mask ?? [],
      record: decision?.record ?? [],
      policy: decision?.policy ?? null,
      bodies: facts.bodies,
      approvalId: facts.approvalId,
      digest: facts.digest,
      digestSent: null,
      guard: null,
      sid: identity?.sid,
      kubectlSession: kubectlSession(exchange.rawHeaders),
    });
    this.#decided = true;
    this.stage('recorded');
  }

  /**
   * Ends the call with a refusal: recorded first, then answered. Where it cannot be recorded, the caller is told so
   * instead. After the head of an answer has left, the connection is broken, so that nobody takes a part for the whole.
   */
  async refuse(refused: Refusal, ended: Partial<Ended> = {}): Promise<void> {
    let shown = refused;
    if ((ended.endedBy ?? 'refusal') === 'refusal') this.#refused(toldOf(refused, this.#facts));
    const verdict = this.#facts.decision?.verdict ?? 'deny';
    try {
      const decided = this.#decided
        ? Promise.resolve()
        : this.decided(verdict === 'allow' ? 'deny' : verdict, refused);
      const closed = this.closed({
        endedBy: 'refusal',
        complete: true,
        status: 0,
        ...ended,
        refusal: refused,
      });
      await Promise.all([decided, closed]);
    } catch (cause) {
      this.#ports.log.error('a refusal could not be recorded', {
        request: this.requestId,
        code: refused.code,
        cause: errorText(cause),
      });
      shown = this.#unrecorded(refused);
    }
    this.#answer(shown);
  }

  /** Refuses a second try of a command as the first was refused, for the same reasons. */
  refuseAlike({ refused, facts }: Told): Promise<void> {
    this.know(facts);
    return this.refuse(refused);
  }

  /** A refusal after execution keeps its own message: the caller must not read "nothing was forwarded". */
  #unrecorded(refused: Refusal): Refusal {
    const afterExecution: readonly ErrorCode[] = [
      'HOLDGATE_FORWARD_OUTCOME_UNKNOWN',
      'HOLDGATE_FORWARD_BROKEN',
    ];
    if (afterExecution.includes(refused.code)) return refused;
    return refusal(
      'HOLDGATE_RECORD_UNAVAILABLE',
      `the request was refused (${refused.code}), and that could not be recorded`,
    );
  }

  #answer(refused: Refusal): void {
    const { exchange } = this;
    if (exchange.gone.aborted) return;
    if (exchange.responded()) {
      exchange.abort();
      return;
    }
    const status = statusOf(refused, this.requestId);
    exchange.respond(status.http, [...status.headers, ['audit-id', this.requestId]]);
    exchange.end(exchange.method === 'HEAD' ? undefined : status.body);
  }

  /** Appends the outcome record. Only the first call counts: there is one end. */
  async closed(ended: Ended): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const refused = ended.refusal;
    const status = refused === undefined ? ended.status : statusOf(refused, this.requestId).http;
    const durationMs = this.#sinceStartMs();
    this.#observe(status, refused, durationMs);
    await this.#ports.recorder.append({
      kind: 'outcome',
      requestId: this.requestId,
      cluster: this.#facts.cluster,
      status,
      code: refused?.code ?? null,
      message: refused?.message ?? '',
      detail: refused?.detail ?? '',
      upstreamStatus: ended.upstreamStatus ?? 0,
      bytesSent: ended.bytesSent ?? 0,
      durationMs: Math.round(durationMs * 1000) / 1000,
      complete: ended.complete,
      endedBy: ended.endedBy,
      session: ended.session ?? null,
    });
  }

  /** `closed` where nobody waits for it: an outcome that cannot be recorded is logged in full, never dropped. */
  closedSoon(ended: Ended): void {
    this.closed(ended).catch((cause: unknown) => {
      this.#ports.log.error('an outcome could not be recorded', {
        request: this.requestId,
        status: ended.status,
        code: ended.refusal?.code ?? '',
        detail: ended.refusal?.detail ?? '',
        upstream_status: ended.upstreamStatus ?? 0,
        bytes_sent: ended.bytesSent ?? 0,
        ended_by: ended.endedBy,
        complete: ended.complete,
        session: ended.session ?? null,
        cause: errorText(cause),
      });
    });
  }

  #sinceStartMs(): number {
    return this.#ports.clock.monotonicMs() - this.#startedMs;
  }

  #observe(status: number, refused: Refusal | undefined, durationMs: number): void {
    const { attributes, decision, identity, cluster } = this.#facts;
    this.#ports.observe({
      requestId: this.requestId,
      cluster,
      username: identity?.username ?? '',
      verb: attributes?.verb ?? this.exchange.method,
      resource: attributes?.resource ?? '',
      namespace: attributes?.namespace ?? '',
      name: attributes?.name ?? '',
      verdict: decision?.verdict ?? (refused === undefined ? 'allow' : 'deny'),
      rules: (decision?.because ?? []).map((element) => `${element.rule}/${element.id}`),
      code: refused?.code ?? '',
      status,
      durationMs,
      stagesMs: this.#stagesMs,
    });
  }
}
