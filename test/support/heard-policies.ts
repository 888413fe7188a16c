import { systemClock } from '../../src/base/clock.ts';
import { createLog } from '../../src/base/log.ts';
import type { Result } from '../../src/base/result.ts';
import type {
  BundlePoliciesOptions,
  Policies,
  PolicyIdentity,
  PolicyProblem,
} from '../../src/decide/index.ts';
import { problemText } from '../../src/decide/problem.ts';
import { inputOf } from './policy-fixtures.ts';

type Change = { readonly policy: PolicyIdentity; readonly previous: PolicyIdentity | null };

/** What policies of any origin are created with, and all that they say through it. */
export type HeardPolicies = {
  readonly options: Omit<BundlePoliciesOptions, 'from' | 'trust'>;
  readonly changes: readonly Change[];
  readonly lines: readonly string[];
  /** Resolves when something that they said makes it true. */
  readonly until: (isTrue: () => boolean) => Promise<void>;
};

/** `keepSources`: what keeping the sources comes to; by default it succeeds. */
export function heardPolicies(
  keepSources: BundlePoliciesOptions['keepSources'] = () => Promise.resolve(),
): HeardPolicies {
  const changes: Change[] = [];
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const notify = (): void => {
    for (const check of waiting) check();
  };
  const options: HeardPolicies['options'] = {
    opa: {},
    approverGroups: [],
    isMaskPath: () => null,
    clock: systemClock,
    log: createLog('info', (line) => {
      lines.push(line);
      notify();
    }),
    onChange: (policy, previous) => {
      changes.push({ policy, previous });
      notify();
    },
    keepSources,
  };
  const until = (isTrue: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!isTrue()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { options, changes, lines, until };
}

/** The policies that were created; throws what keeps them from it. */
export function createdPolicies(created: Result<Policies, readonly PolicyProblem[]>): Policies {
  if (!created.ok) throw new Error(created.error.map(problemText).join('\n'));
  return created.value;
}

/** What they say to an ordinary request of this verb; `none` where no policy is in force. */
export async function verdictOf(
  policies: Policies,
  verb: 'get' | 'list' | 'watch',
): Promise<string> {
  return (await policies.current()?.decide(inputOf({ verb })))?.verdict ?? 'none';
}

/** Their problems, a line each. */
export const problemsOf = (policies: Policies): string =>
  policies.problems().map(problemText).join('\n');
