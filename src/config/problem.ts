/** A place in the configuration: keys and list indexes from the top. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with the configuration, before its place in the file is known. */
export type Finding = {
  readonly path: ConfigPath;
  /** What is wrong. Repeats no value: a password might have been written where a name belongs. */
  readonly problem: string;
  readonly expected: string;
  /** What to do. */
  readonly fix: string;
};

/** One thing that is wrong with the configuration. `line` and `column` count from 1; 0 where there is no place. */
export type ConfigProblem = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `clusters[0].server`; empty for the file as a whole. */
  readonly path: string;
  readonly problem: string;
  readonly expected: string;
  readonly fix: string;
};

/** A path as people write it: `clusters[0].server`. */
export function pathText(path: ConfigPath): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join('');
}

/** One line for a terminal: `file:line:column: path: problem; expected …; what to do`. */
export function formatConfigProblem(problem: ConfigProblem): string {
  const { file, line, column, path, expected, fix } = problem;
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  const parts = [problem.problem, expected === '' ? '' : `expected ${expected}`, fix];
  const said = parts.filter((part) => part !== '').join('; ');
  return [place, path, said].filter((part) => part !== '').join(': ');
}
