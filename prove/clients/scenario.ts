import type { Finished, RunOptions } from '../support/processes.ts';
import type { Report } from '../support/report.ts';

/** One of the two ends that every scenario is run at: the API server itself, or the gateway before it. */
export type Side = {
  readonly name: 'direct' | 'through';
  /** The side's own namespace; the objects of every scenario are in it. */
  readonly namespace: string;
  readonly kubeconfig: string;
  /** A scratch directory of the side's own. */
  readonly directory: string;
  /** `<pod>/` in it is the file system of a pod of the namespace. */
  readonly pods: string;
  /** kubectl with the side's kubeconfig and namespace. */
  readonly kubectl: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  /** The program and the arguments of the same, for scenarios that start it themselves. */
  readonly command: (args: readonly string[]) => readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
};

export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What a scenario saw: the facts must be the same at both ends; the figure is only printed. */
export type Seen = { readonly facts: Facts; readonly figure?: string };

export type Scenario = {
  readonly name: string;
  /** Facts that both ends must show, so that two equal failures do not pass. */
  readonly expected: Readonly<Record<string, string | number | boolean | RegExp>>;
  /** One end after the other, as the figure is a speed; others run at both ends at once. */
  readonly measured?: true;
  readonly run: (side: Side) => Promise<Seen>;
};

const shownMax = 300;
const contextBefore = 30;

/** Levels what differs by chance between two runs: namespaces, generated names, times, ids, local ports. */
export function levelled(text: string, side: Side): string {
  return text
    .replaceAll(side.namespace, '<ns>')
    .replaceAll(side.directory, '<dir>')
    .replace(/-[0-9a-f]{7,10}-[a-z0-9]{5}\b/g, '-<pod>')
    .replace(/"resourceVersion": ?"\d+"/g, '"resourceVersion":"<rv>"')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uid>')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| [+-]\d{4} UTC)/g, '<time>')
    .replace(/\b[EWI]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ /g, '<log> ');
}

/** The facts of a finished command. */
export function commandFacts(finished: Finished, side: Side): Facts {
  return {
    code: finished.code,
    stdout: levelled(finished.stdout, side),
    stderr: levelled(finished.stderr, side),
  };
}

function wrongFacts(facts: Facts, expected: Scenario['expected']): readonly string[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const value = facts[name];
    const right = wanted instanceof RegExp ? wanted.test(String(value)) : value === wanted;
    return right ? [] : [`${name} is ${JSON.stringify(value)?.slice(0, shownMax)}`];
  });
}

/** What each side has where the two begin to differ. */
function differences(direct: Facts, through: Facts): readonly string[] {
  const names = new Set([...Object.keys(direct), ...Object.keys(through)]);
  return [...names]
    .filter((name) => direct[name] !== through[name])
    .map((name) => {
      const [one, other] = [String(direct[name]), String(through[name])];
      let at = 0;
      while (at < one.length && one[at] === other[at]) at += 1;
      const shown = (text: string): string =>
        JSON.stringify(text.slice(Math.max(0, at - contextBefore), at + shownMax));
      return `${name} differs from character ${at}: direct ${shown(one)}, through ${shown(other)}`;
    });
}

async function runAt(scenario: Scenario, side: Side): Promise<Seen & { readonly error?: string }> {
  try {
    return await scenario.run(side);
  } catch (cause) {
    const error = cause instanceof Error ? cause.message : String(cause);
    return { facts: {}, error: error.slice(0, shownMax) };
  }
}

/** Runs a scenario at both ends and reports it: the expected facts at each, and no fact that differs. */
export async function proveScenario(
  scenario: Scenario,
  sides: readonly [Side, Side],
  report: Report,
): Promise<void> {
  const startedMs = performance.now();
  const first = runAt(scenario, sides[0]);
  if (scenario.measured === true) await first;
  const [direct, through] = await Promise.all([first, runAt(scenario, sides[1])]);
  const at = (side: Side, seen: Awaited<ReturnType<typeof runAt>>): readonly string[] =>
    (seen.error === undefined ? wrongFacts(seen.facts, scenario.expected) : [seen.error]).map(
      (text) => `${side.name}: ${text}`,
    );
  const broken = [...at(sides[0], direct), ...at(sides[1], through)];
  const faults = broken.length > 0 ? broken : differences(direct.facts, through.facts);
  const wanted = Object.entries(scenario.expected)
    .map(
      ([name, value]) =>
        `${name} ${value instanceof RegExp ? String(value) : JSON.stringify(value)}`,
    )
    .join(', ');
  const figures =
    through.figure === undefined
      ? `the same ${Object.keys(through.facts).join(', ')}`
      : `direct ${direct.figure}, through ${through.figure}`;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  report.check(
    scenario.name,
    faults.length > 0 ? faults.join('; ') : `${figures}; ${seconds} s`,
    `as directly${wanted === '' ? '' : `; ${wanted}`}`,
    faults.length === 0,
  );
}
