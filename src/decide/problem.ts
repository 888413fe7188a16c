/** Why a policies folder is not loaded: where, what, and what to do. Lines and columns count from 1; 0 = the whole file. */
export type PolicyProblem = {
  /** The path inside the policies folder, with forward slashes; empty where no file can be named. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly what: string;
  readonly fix: string;
};

export type At = { readonly line: number; readonly column: number };

/** A place that stands for the whole file. */
export const wholeFile: At = { line: 0, column: 0 };

/** Makes a problem. */
export function problem(file: string, at: At, what: string, fix: string): PolicyProblem {
  return { file, line: at.line, column: at.column, what, fix };
}

/** `rules/x/x.rego:3:1: what; fix`: the form of compilers, which editors can jump to. */
export function problemText(one: PolicyProblem): string {
  const line = one.line === 0 ? '' : `:${one.line}`;
  const column = one.column === 0 ? '' : `:${one.column}`;
  const place = one.file === '' ? '' : `${one.file}${line}${column}: `;
  return `${place}${one.what}${one.fix === '' ? '' : `; ${one.fix}`}`;
}
