import type { Refusal } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Result } from '../base/result.ts';
import type { RoleName } from '../config/index.ts';
import type { Approvals } from '../hold/index.ts';
import type { Identity } from '../identify/index.ts';
import type { EvidenceExports, ExportFormat, ExportFormatName } from '../record/index.ts';
import type {
  DecisionDetail,
  DecisionFilter,
  DecisionPage,
  DecisionRow,
  ExportPage,
  ExportRequest,
  SessionStore,
} from '../store/index.ts';

/** The record, as people read it. */
export type DecisionReader = {
  readonly list: (
    filter: DecisionFilter,
    page: { readonly limit: number; readonly cursor?: string | undefined },
  ) => Promise<Result<DecisionPage, Refusal>>;
  readonly show: (requestId: string) => Promise<DecisionDetail | null>;
  readonly stream: (filter: DecisionFilter) => AsyncIterable<DecisionRow>;
};

/** The record, as other programs take it in: page by page, in formats of theirs. */
export type RecordExports = {
  readonly page: (request: ExportRequest) => Promise<Result<ExportPage, Refusal>>;
  readonly formats: Readonly<Record<ExportFormatName, ExportFormat>>;
};

/** Where an element of a decision is written, in the sources of that day. */
export type Place = {
  readonly rule: string;
  readonly id: string;
  readonly file: string;
  readonly line: number;
};

/** One part of the gateway, for the readiness check. */
export type PartStatus = {
  readonly part: string;
  readonly ready: boolean;
  readonly problem: string;
};

/** Everything that the people's port needs, wired by `gateway.ts`. */
export type ConsolePorts = {
  readonly decisions: DecisionReader;
  readonly sessions: SessionStore;
  readonly exports: RecordExports;
  readonly approvals: Approvals;
  readonly evidence: EvidenceExports;
  /** File and line of elements in the sources of a hash; an error says why they cannot be told. */
  readonly locate: (
    sourcesHash: string,
    elements: readonly { readonly rule: string; readonly id: string }[],
  ) => Promise<Result<readonly Place[], string>>;
  /** The caller, verified for this port, with a human's kind and nobody acting for it. */
  readonly identifyPerson: (rawHeaders: readonly string[]) => Promise<Result<Identity, Refusal>>;
  /** Whether the person has one of the roles. */
  readonly requireRole: (
    identity: Identity,
    roles: readonly RoleName[],
  ) => Result<unknown, Refusal>;
  readonly readiness: () => readonly PartStatus[];
  /** The metrics in Prometheus' text format. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Documents of the local issuer by path; empty without one. */
  readonly documents: ReadonlyMap<string, unknown>;
  readonly nextId: () => string;
  readonly log: Log;
};
