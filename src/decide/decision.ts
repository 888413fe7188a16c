/** What the policy answers: design §3, "Decision". */
export type Verdict = 'allow' | 'hold' | 'deny';

/** An element of one of the five sets, with the rule that said it. */
export type Because = {
  /** The package under `rules.`, or `gate` for the fold's own answers. */
  readonly rule: string;
  readonly id: string;
  readonly reason: string;
  /** deny: what to do instead. */
  readonly instead?: string;
  /** allow, hold: passes with an unreadable body too. */
  readonly opaque?: boolean;
  /** allow, hold: the caller may see what the masks would hide. */
  readonly reveals?: boolean;
};

export type HoldElement = Because & {
  /** Names of approver groups; any member of any of them may vote. */
  readonly approvers: readonly string[];
  /** Votes needed, at least 1. */
  readonly quorum: number;
  /** Seconds that people have; 0 = the default. */
  readonly decideWithinSeconds: number;
  readonly onlyIfAllowed: boolean;
  readonly askReason: boolean;
  readonly risk: string;
};

export type MaskElement = Because & {
  /** Paths into each object: `data.*`, `spec.containers[*].env[*].value`. */
  readonly fields: readonly string[];
  /** Which objects of the answer: all where empty. */
  readonly where: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly names?: readonly string[];
  };
  /** Regular expressions for text streams. */
  readonly patterns: readonly string[];
};

export type RecordLevel = 'metadata' | 'request' | 'full';
export type RecordElement = Because & { readonly level: RecordLevel };

/** Which policy decided: hashes are `sha256:<hex>`. */
export type PolicyIdentity = {
  readonly wasm: string;
  readonly sources: string;
  /** `opa/0.70.0`; `bundle` where the module came ready in a bundle. */
  readonly compiler: string;
  /** The revision that a bundle's manifest names; empty for a folder, and for a bundle that names none. */
  readonly revision: string;
};

export type Decision = {
  readonly verdict: Verdict;
  /** The elements that made the verdict; on `hold` each is a HoldElement. */
  readonly because: readonly Because[];
  /** The holds that the release will ask for: `because` of a hold, read as such; empty otherwise. */
  readonly holds: readonly HoldElement[];
  readonly mask: readonly MaskElement[];
  readonly record: readonly RecordElement[];
  readonly policy: PolicyIdentity;
  /** Set where the policy did not decide but failed: the verdict is then `deny`. Names file and line where known. */
  readonly failure?: string;
};
