import { spawnSync } from 'node:child_process';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatheredLines } from '../../src/base/gathered-lines.ts';
import { createLog } from '../../src/base/log.ts';

let written: string[];
let turns: (() => void)[];
let nowMs: number;
let lines: GatheredLines;
beforeEach(() => {
  written = [];
  turns = [];
  nowMs = 0;
  lines = new GatheredLines({
    write: (text) => written.push(text),
    atTurnEnd: (run) => turns.push(run),
    nowMs: () => nowMs,
  });
});
const endTurn = (): void => {
  for (const run of turns.splice(0)) run();
};

describe('gathered lines', () => {
  test('of one turn are one write, in their order', () => {
    lines.write('a\n');
    lines.write('b\n');
    expect(written).toEqual([]);
    endTurn();
    lines.write('c\n');
    endTurn();
    expect(written).toEqual(['a\nb\n', 'c\n']);
  });

  test('before an urgent one are written with it at once', () => {
    lines.write('a\n');
    lines.write('b\n', true);
    expect(written).toEqual(['a\nb\n']);
    endTurn();
    expect(written).toHaveLength(1);
  });

  test('are never more than 64 Ki characters and a line', () => {
    for (let count = 0; count < 200; count += 1) lines.write(`${'x'.repeat(1023)}\n`);
    endTurn();
    expect(written.map((text) => text.length / 1024)).toEqual([64, 64, 64, 8]);
  });

  test('are written within 50 ms even in a turn that does not end', () => {
    lines.write('a\n');
    nowMs = 50;
    lines.write('b\n');
    expect(written).toEqual(['a\nb\n']);
  });

  test('are not written twice after a write that failed', () => {
    let tries = 0;
    const failing = new GatheredLines({
      write: () => {
        tries += 1;
        throw new Error('EPIPE');
      },
      atTurnEnd: () => {},
    });
    failing.write('a\n');
    expect(() => failing.flush()).toThrow('EPIPE');
    failing.flush();
    expect(tries).toBe(1);
  });

  test('errors of a log are urgent, other levels are not', () => {
    const log = createLog('debug', lines.write, () => 0);
    log.warn('w');
    log.info('i');
    log.debug('d');
    expect(written).toEqual([]);
    log.error('e', { cause: new Error('why') });
    const messages = written.join('').match(/(?<="message":")./g);
    expect(messages).toEqual(['w', 'i', 'd', 'e']);
  });

  test.each([
    { name: 'the end of the program', end: '', status: 0 },
    { name: 'process.exit', end: 'process.exit(3)', status: 3 },
    { name: 'an exception that nobody caught', end: 'throw new Error("x")', status: 1 },
    {
      name: 'a rejection that nobody handled',
      end: 'await Promise.reject(new Error("x"))',
      status: 1,
    },
  ])('are on standard error after $name', ({ end, status }) => {
    const url = new URL('../../src/base/gathered-lines.ts', import.meta.url).href;
    const program = `
      import { flushAtExit, GatheredLines } from ${JSON.stringify(url)};
      const lines = new GatheredLines({ write: (text) => process.stderr.write(text) });
      flushAtExit(lines);
      for (let count = 0; count < 500; count += 1) lines.write('line ' + count + '\\n');
      ${end}`;
    const ran = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program],
      { encoding: 'utf8' },
    );
    expect(ran.status).toBe(status);
    expect(ran.stderr.match(/^line \d+$/gm)).toHaveLength(500);
  });
});
