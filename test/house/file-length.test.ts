import { describe, expect, test } from 'vitest';
import { lengthProblem, linesMax } from '../support/file-length.ts';

const lines = (count: number, first = 'x'): string => `${first}\n${'x\n'.repeat(count - 1)}`;

describe('a file', () => {
  test.each([
    { file: 'src/mask/mask.ts', max: 300 },
    { file: 'src/mask/index.ts', max: 30 },
    { file: 'src/console/views/index.ts', max: 300 },
    { file: 'test/mask/mask.test.ts', max: 500 },
    { file: 'policies/rules/a/a.rego', max: 300 },
    { file: 'policies/rules/a/a_test.rego', max: 500 },
    { file: 'README.md', max: 200 },
  ])('$file may have $max lines and not one more', ({ file, max }) => {
    expect(linesMax(file)).toBe(max);
    expect(lengthProblem(file, lines(max))).toBeNull();
    expect(lengthProblem(file, lines(max + 1))).toContain(`${max + 1} lines`);
  });

  test('may be longer where its first lines say why', () => {
    const why = '/* eslint-disable max-lines -- one table */';
    expect(lengthProblem('src/base/errors.ts', lines(400, why))).toBeNull();
    expect(
      lengthProblem('src/base/errors.ts', lines(400, '/* eslint-disable max-lines */')),
    ).not.toBeNull();
  });

  test('has no excuse where it is a door', () => {
    expect(lengthProblem('src/mask/index.ts', lines(31, '// max-lines -- because'))).not.toBeNull();
  });

  test.each(['package-lock.json', 'docs/configuration.md', 'test/cluster/go.sum'])(
    '%s is generated, and may have any length',
    (file) => expect(lengthProblem(file, lines(5000))).toBeNull(),
  );
});
