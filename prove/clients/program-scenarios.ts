import type { Finished } from '../support/processes.ts';
import { levelled, type Facts, type Scenario, type Side } from './scenario.ts';

/**
 * The scenarios of a client that is a program of its own: it runs once at each end, does one operation after another, and
 * prints for each a line of JSON, `{"name", "facts"}` or `{"name", "error"}`.
 */
export type ClientProgram = {
  readonly client: string;
  /** Each operation of the program, with the facts that it must print. */
  readonly operations: Readonly<Record<string, Scenario['expected']>>;
  readonly run: (side: Side) => Promise<Finished>;
};

type Line = { readonly name: string; readonly facts?: Facts; readonly error?: string };

function parseLines(finished: Finished, side: Side): ReadonlyMap<string, Line> {
  const lines = finished.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(levelled(line, side)) as Line);
  return new Map(lines.map((line) => [line.name, line]));
}

export function programScenarios(program: ClientProgram): readonly Scenario[] {
  const runs = new Map<Side, Promise<Finished>>();
  const finishedAt = (side: Side): Promise<Finished> => {
    const started = runs.get(side) ?? program.run(side);
    runs.set(side, started);
    return started;
  };
  const operations = Object.entries(program.operations).map(([name, expected]): Scenario => ({
    name: `${program.client}: ${name}`,
    expected,
    run: async (side) => {
      const finished = await finishedAt(side);
      const line = parseLines(finished, side).get(name);
      if (line?.facts !== undefined) return { facts: line.facts };
      throw new Error(line?.error ?? `not reached; ${finished.stderr.slice(-300)}`);
    },
  }));
  const ended: Scenario = {
    name: `${program.client}: ran to its end`,
    expected: { code: 0, operations: Object.keys(program.operations).toSorted().join(', ') },
    run: async (side) => {
      const finished = await finishedAt(side);
      const names = [...parseLines(finished, side).keys()].toSorted().join(', ');
      return {
        facts: { code: finished.code, operations: names },
        figure: `${(finished.durationMs / 1000).toFixed(1)} s`,
      };
    },
  };
  return [...operations, ended];
}
