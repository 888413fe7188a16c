import type { Verdict } from '../../decide/index.ts';
import type { SessionFacts } from '../../record/index.ts';
import type { Fold } from './fold.ts';

/** A session as people see it. */
export type SessionRow = {
  readonly id: string;
  /** What tells it from others; `stream` is an exec, attach or port-forward inside another session. */
  readonly basis: 'sid' | 'task' | 'client' | 'stream';
  /** The sid or the task; empty else. */
  readonly label: string;
  readonly parentId: string | null;
  /** Of a stream: the request that opened it. */
  readonly requestId: string | null;
  readonly user: { readonly issuer: string; readonly subject: string; readonly username: string };
  /** The groups of its tokens, at most 256. */
  readonly groups: readonly string[];
  readonly cluster: string;
  readonly userAgent: string;
  readonly sourceIp: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly lastAt: string;
  readonly requests: number;
  /** Of a stream that ended: what passed in it. */
  readonly facts: SessionFacts | null;
  /** Why not all of it is on record, from one of its requests; null where everything is, or still runs. */
  readonly incomplete: string | null;
};

/** A request as a line that people know. */
export type CommandRow = {
  readonly requestId: string;
  readonly sessionId: string;
  /** Requests of one run of a client program share it. */
  readonly commandId: string;
  /** The line that this one is shown with; null where it is a line itself. */
  readonly foldedInto: string | null;
  readonly fold: Fold | null;
  /** How many requests are folded into this one, by why. */
  readonly folded: Readonly<Partial<Record<Fold, number>>>;
  /** RFC 3339. */
  readonly at: string;
  readonly cluster: string;
  readonly username: string;
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly rules: readonly string[];
  readonly masked: boolean;
  readonly code: string | null;
  /** Where it was held: the approval's state, and who voted. */
  readonly approval: {
    readonly id: string;
    readonly state: string;
    readonly votes: readonly { readonly username: string; readonly vote: string }[];
  } | null;
  readonly line: string;
  readonly fidelity: 'header' | 'inferred' | 'raw';
  /** Null while the request runs, or where its outcome is missing: then `incomplete` says so. */
  readonly endedAt: string | null;
  readonly status: number | null;
  readonly exitCode: number | null;
  readonly incomplete: string | null;
};
