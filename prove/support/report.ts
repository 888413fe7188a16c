/** One figure beside its bound. */
export type Check = {
  readonly name: string;
  readonly figure: string;
  readonly bound: string;
  readonly passed: boolean;
};

/** Collects checks and prints each as it is made, so that a long run shows where it is. */
export type Report = {
  readonly check: (name: string, figure: string | number, bound: string, passed: boolean) => void;
  readonly checks: readonly Check[];
};

export function createReport(write: (line: string) => void): Report {
  const checks: Check[] = [];
  return {
    checks,
    check: (name, figure, bound, passed) => {
      checks.push({ name, figure: String(figure), bound, passed });
      write(`${passed ? 'ok  ' : 'FAIL'} ${name}: ${figure} (bound: ${bound})`);
    },
  };
}

/** The checks as a Markdown table, for docs/proofs.md. */
export function reportTable(checks: readonly Check[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const rows = checks.map(
    (check) =>
      `| ${check.passed ? 'ok' : '**FAIL**'} | ${cell(check.name)} | ${cell(check.figure)} | ${cell(check.bound)} |`,
  );
  return ['| | what | figure | bound |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
