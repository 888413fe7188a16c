/** What is recorded of a request, as far as a command line shows it. Every text may have been written by the caller. */
export type CommandFacts = {
  /** `METHOD target` as it travelled: the line of last resort. */
  readonly method: string;
  readonly target: string;
  /** Null where the request was refused before it was understood. */
  readonly request: RequestFacts | null;
  /** The `Kubectl-Command` header (KEP-859): sub-commands without arguments. A claim, used only where it fits the request. */
  readonly kubectlCommand: string;
};

export type RequestFacts = {
  readonly scope: 'namespaced' | 'cluster' | 'nonresource';
  readonly verb: string;
  readonly group: string;
  /** As RBAC writes it: `pods/exec`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  readonly dryRun: boolean;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** Query parameters and effective delete options; values of unknown ones are redacted. */
  readonly options: Readonly<Record<string, readonly string[]>>;
  readonly contentType: string;
  /** exec and attach; null else. The argv is not recorded, only how many words it has. */
  readonly exec: {
    readonly argc: number;
    readonly container: string;
    readonly stdin: boolean;
    readonly tty: boolean;
  } | null;
  readonly log: {
    readonly container: string;
    readonly follow: boolean;
    readonly previous: boolean;
  } | null;
  readonly portforward: { readonly ports: readonly number[] } | null;
};

/** A line in parts, so that a claimed command can stand in the place of the one that was inferred. */
export type LineParts = {
  /** `get`, `rollout restart`. */
  readonly command: readonly string[];
  /** What it is about: `pod web`. */
  readonly object: readonly string[];
  readonly flags: readonly string[];
};

/** The resource without its subresource, and the subresource. */
export function resourceParts(resource: string): readonly [string, string] {
  const at = resource.indexOf('/');
  return at === -1 ? [resource, ''] : [resource.slice(0, at), resource.slice(at + 1)];
}

/** The first value of an option; empty where there is none. */
export function option(facts: RequestFacts, name: string): string {
  return Object.hasOwn(facts.options, name) ? (facts.options[name]?.[0] ?? '') : '';
}
