import type { Finding } from './problem.ts';
import type { Config } from './schema.ts';

/** What is wrong between the keys of `policies`: two places for the rules, a bundle that nobody vouches for. */
export function policyChecks(policies: Config['policies']): readonly Finding[] {
  const { directory, bundle, verification, unsigned } = policies;
  const findings: Finding[] = [];
  const say = (path: readonly string[], problem: string, expected: string, fix: string): void => {
    findings.push({ path: ['policies', ...path], problem, expected, fix });
  };
  if (bundle !== undefined && directory !== undefined) {
    const problem = 'stands beside policies.directory: only one of them can hold the rules';
    say(['bundle'], problem, 'directory or bundle', 'remove one of the two');
  }
  if (bundle === undefined) {
    const useless = verification !== undefined ? 'verification' : unsigned ? 'unsigned' : null;
    if (useless !== null) {
      say(
        [useless],
        'is about a bundle, and there is none',
        'a bundle',
        'add bundle, or remove it',
      );
    }
    return findings;
  }
  if (verification === undefined && !unsigned) {
    const fix = 'name the keys that sign it, or write unsigned: true';
    say(['bundle'], 'says nothing of who must have signed it', 'verification beside it', fix);
  }
  if (verification === undefined) return findings;
  if (unsigned) {
    const fix = 'remove one of the two';
    say(['unsigned'], 'is true beside verification', 'one of the two', fix);
  }
  const known = Object.keys(verification.keys);
  if (known.length === 0) {
    say(['verification', 'keys'], 'names no key', 'at least one key', 'add the key that signs');
  }
  if (verification.keyid !== undefined && !known.includes(verification.keyid)) {
    const fix = 'correct the id, or add the key';
    say(['verification', 'keyid'], 'is none of the keys', `one of ${known.join(', ')}`, fix);
  }
  return findings;
}
