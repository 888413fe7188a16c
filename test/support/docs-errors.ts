import { errorRegistry, type ErrorEntry } from '../../src/base/errors.ts';

/** `docs/errors.md`: each code of the registry, by stage, with when it happens and what to do. */
export function errorsMarkdown(): string {
  const stages = new Map<string, string[]>();
  const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorRegistry);
  for (const [code, { http, reason, when, fix }] of entries) {
    const stage = (code.split('_')[1] ?? '').toLowerCase();
    const rows = stages.get(stage) ?? [];
    rows.push(`| \`${code}\` | ${http} ${reason} | ${cell(when)} | ${cell(fix)} |`);
    stages.set(stage, rows);
  }
  const sections = [...stages].map(([stage, rows]) =>
    [
      `## ${stage}`,
      '',
      '| code | status | when | what to do |',
      '| --- | --- | --- | --- |',
      ...rows,
    ].join('\n'),
  );
  return [INTRODUCTION, ...sections].join('\n\n');
}

const INTRODUCTION = `# Errors

<!-- Generated from src/base/errors.ts by \`npm run docs\`. -->

Every refusal is a Kubernetes \`Status\`: kubectl prints its message, which says what was wrong, where and what to do, and ends
with the code. The code also stands in \`details.causes\`, in the record and in the log. Codes are API: they do not change their meaning.`;

const cell = (text: string): string => text.replaceAll('|', String.raw`\|`);
