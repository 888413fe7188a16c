import { describe, expect, test } from 'vitest';
import { createLog, type LogFields } from '../../src/base/log.ts';

const lineOf = (level: 'info' | 'debug', fields: LogFields): string => {
  const lines: string[] = [];
  createLog(
    level,
    (line) => lines.push(line),
    () => 0,
  ).info('said', fields);
  return lines.join('');
};

describe('a log line', () => {
  const head = '{"time":"1970-01-01T00:00:00.000Z","level":"info","message":';
  const table: { name: string; fields: LogFields; line: string }[] = [
    { name: 'without fields', fields: {}, line: `${head}"said"}\n` },
    { name: 'with fields', fields: { a: 1, b: ['x'] }, line: `${head}"said","a":1,"b":["x"]}\n` },
    {
      name: 'whose field has the name of a member has that member once, as the field says',
      fields: { kind: 'down', message: 'the database is down' },
      line: `${head}"the database is down","kind":"down"}\n`,
    },
    {
      name: 'with an error tells its message',
      fields: { cause: new Error('broke'), a: 1 },
      line: `${head}"said","cause":"broke","a":1}\n`,
    },
  ];
  test.each(table)('$name', ({ fields, line }) => {
    expect(lineOf('info', fields)).toBe(line);
  });

  test('at level debug also tells the stack of an error', () => {
    const cause = new Error('broke');
    expect(JSON.parse(lineOf('debug', { cause }))).toMatchObject({ cause_stack: cause.stack });
  });
});
