import type { Clock } from '../base/clock.ts';
import type { Refusal } from '../base/errors.ts';
import type { Ids } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Result } from '../base/result.ts';
import type { Decision, PolicyInput, Verdict } from '../decide/index.ts';
import type { Upstream } from '../forward/index.ts';
import type { Approvals } from '../hold/index.ts';
import type { Identity } from '../identify/index.ts';
import type { Recorder } from '../record/index.ts';

/** A cluster behind the gateway, as `flow` needs it. */
export type Cluster = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The URL of its API server: an approval is about this server, not about whatever takes the name later. */
  readonly server: string;
  readonly upstream: Upstream;
  /** Keeps the upstream open for a call, should the configuration change meanwhile; call the answer when it ended. */
  readonly use: () => () => void;
};

/** The running policy: never throws; what fails comes back as a deny with `failure`. */
export type RunningPolicy = {
  readonly readsObject: boolean;
  readonly fetches: boolean;
  readonly decide: (input: PolicyInput) => Promise<Decision>;
  readonly fetchesLive: (input: PolicyInput) => Promise<boolean>;
};

/** What one finished request looked like, for logs and metrics. */
export type Observation = {
  readonly requestId: string;
  readonly cluster: string;
  readonly username: string;
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly rules: readonly string[];
  readonly code: string;
  readonly status: number;
  readonly durationMs: number;
  /** Milliseconds until each stage was done, since the request came in. */
  readonly stagesMs: Readonly<Record<string, number>>;
};

/** Everything the story needs, wired by `gateway.ts`. */
export type FlowPorts = {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly identify: (rawHeaders: readonly string[]) => Promise<Result<Identity, Refusal>>;
  readonly policy: () => RunningPolicy | null;
  readonly recorder: Recorder;
  readonly approvals: Approvals;
  /** By name, as configured now; null is the default cluster. */
  readonly cluster: (name: string | null) => Result<Cluster, Refusal>;
  /** How long a held call waits on its connection. Milliseconds. */
  readonly holdWaitMs: number;
  /** How long open sessions may go on once the gateway drains. Milliseconds. */
  readonly streamGraceMs: number;
  readonly observe: (observation: Observation) => void;
};
