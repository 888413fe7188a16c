import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bodyDepthMax, yamlBodyBytesMax } from '../../src/base/limits.ts';
import { stringifyJson } from '../../src/kube/json.ts';
import { parseYamlBody } from '../../src/kube/yaml.ts';
import { plainScalar } from '../support/kube-arbitraries.ts';

const parse = (text: string) => parseYamlBody(Buffer.from(text));

const problem = (text: string) => {
  const result = parse(text);
  if (result.ok) throw new Error(`accepted: ${stringifyJson(result.value.value)}`);
  return result.error;
};

/** What goes upstream for a text, as text. */
const sent = (text: string): string => {
  const result = parse(text);
  if (!result.ok) throw new Error(result.error.message);
  return result.value.bytes.toString();
};

describe('a plain scalar that YAML 1.1 and 1.2 read differently must be quoted', () => {
  test.each([
    ...'yes no Yes NO on Off y N 0777 010 -017 0o17 0O7 0b11 0B1 0X1F -0x1F 1_000 0_7'.split(' '),
    ...'12:30 12:30:45 190:20:30.15 1e5_ ._1'.split(' '),
  ])('%s', (scalar) => {
    expect(problem(`kind: x\nvalue: ${scalar}`)).toEqual({
      line: 2,
      message: `"${scalar}" is read differently under YAML 1.1 and YAML 1.2; quote it`,
    });
    expect(sent(`value: "${scalar}"`)).toBe(`{"value":"${scalar}"}`);
    expect(problem(`${scalar}: 1`).line).toBe(1);
  });

  test.each([
    { scalar: 'true', is: 'true' },
    { scalar: 'False', is: 'false' },
    { scalar: '~', is: 'null' },
    { scalar: '', is: 'null' },
    { scalar: '0', is: '0' },
    { scalar: '+5', is: '5' },
    { scalar: '0x1F', is: '31' },
    { scalar: '1.50', is: '1.5' },
    { scalar: '1e3', is: '1000' },
    { scalar: '9223372036854775808', is: '9223372036854775808' },
    { scalar: '2001-01-01', is: '"2001-01-01"' },
    { scalar: '80:80', is: '"80:80"' },
    { scalar: '100m', is: '"100m"' },
    { scalar: '1.2.3', is: '"1.2.3"' },
    { scalar: 'nginx:1.27', is: '"nginx:1.27"' },
  ])('but "$scalar" is $is to both', ({ scalar, is }) => {
    expect(sent(`value: ${scalar}`)).toBe(`{"value":${is}}`);
  });

  test.each(['.inf', '-.INF', '.nan', '1e400'])('%s is no number that JSON has', (scalar) => {
    expect(problem(`value: ${scalar}`).message).toContain('no number that JSON has');
  });

  test('no scalar on the border makes the reader throw', () => {
    fc.assert(
      fc.property(plainScalar, fc.constantFrom('a: ', '- ', '', '? '), (scalar, before) => {
        expect(typeof parse(`${before}${scalar}`).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('structure that somebody reads differently, or that grows when it is read, is refused with its line', () => {
  test.each([
    { what: 'an anchor', text: 'a: 1\nb: &x 1', line: 2, says: 'an anchor' },
    { what: 'an alias', text: 'a: 1\n\nb: *x', line: 3, says: 'an alias' },
    { what: 'a billion laughs', text: 'a: &a [x]\nb: &b [*a,*a]', line: 1, says: 'an anchor' },
    { what: 'a tag', text: 'a: !!str 1', line: 1, says: 'a tag' },
    { what: 'a tag of a type', text: 'a:\n  b: !ruby/object:X {}', line: 2, says: 'a tag' },
    { what: 'the tag that says nothing', text: 'a: ! 1', line: 1, says: 'a tag' },
    { what: 'a binary', text: 'a: !!binary eA==', line: 1, says: 'a tag' },
    { what: 'a directive', text: '%YAML 1.1\n---\na: 1', line: 1, says: 'a directive' },
    { what: 'a second document', text: 'a: 1\n---\nb: 2', line: 2, says: 'multiple documents' },
    {
      what: 'a document after an end',
      text: 'a: 1\n...\n---\nb: 2',
      line: 3,
      says: 'multiple documents',
    },
    { what: 'text after an end', text: 'a: 1\n...\nb: 2', line: 3, says: 'multiple documents' },
    { what: 'a merge key', text: 'a:\n  <<: {b: 1}', line: 2, says: 'a merge key' },
    { what: 'a repeated key', text: 'a: 1\nb: 2\na: 3', line: 3, says: 'more than once' },
    {
      what: 'a repeated key in other quotes',
      text: 'a: 1\n"a": 3',
      line: 2,
      says: 'more than once',
    },
    { what: 'a repeated key in braces', text: 'x: {a: 1, a: 3}', line: 1, says: 'more than once' },
    { what: 'a number as a key', text: 'a:\n  80: x', line: 2, says: 'no string' },
    { what: 'nothing as a key', text: 'a: 1\n: x', line: 2, says: 'no string' },
    { what: 'a boolean as a key', text: 'true: x', line: 1, says: 'no string' },
    { what: 'a list as a key', text: '? [a]\n: b', line: 1, says: 'no plain or quoted string' },
    { what: 'a tab as indentation', text: 'a:\n\tb: 1', line: 2, says: 'ab' },
    { what: 'a byte order mark', text: '\ufeffa: 1', line: 1, says: 'a byte order mark' },
    { what: 'a control character', text: 'a: 1\nb: x\u0007', line: 2, says: 'a control character' },
    { what: 'half a surrogate pair', text: 'a: "\\ud800"', line: 1, says: 'surrogate' },
    { what: 'a broken text', text: 'a: [1', line: 1, says: ']' },
    { what: 'too many levels in brackets', text: '['.repeat(60_000), line: 1, says: 'levels' },
    { what: 'too many levels in dashes', text: '- '.repeat(30_000), line: 1, says: 'levels' },
    {
      what: 'too much of it',
      text: `a: ${'x'.repeat(yamlBodyBytesMax)}`,
      line: 1,
      says: 'send it as JSON',
    },
  ])('$what', ({ text, line, says }) => {
    const { line: at, message } = problem(text);
    expect(message).toContain(says);
    expect(at).toBe(line);
  });

  test('too many levels by indentation', () => {
    const levels = Array.from({ length: bodyDepthMax + 2 }, (_, depth) => `${' '.repeat(depth)}a:`);
    expect(problem(levels.join('\n')).message).toContain('levels');
  });

  test('bytes that are no UTF-8', () => {
    const result = parseYamlBody(Uint8Array.from([0x61, 0x3a, 0x20, 0xff]));
    expect(result).toMatchObject({ ok: false, error: { message: 'the text is not valid UTF-8' } });
  });

  test('a value that looks like one of these inside quotes or a block is text', () => {
    expect(sent('a: "&x *y !z"\nb: |\n  *x\n  <<: 1\nc: x*y')).toBe(
      '{"a":"&x *y !z","b":"*x\\n<<: 1\\n","c":"x*y"}',
    );
  });
});

describe('what goes upstream is the JSON of what was parsed', () => {
  test('a manifest', () => {
    const manifest = `---
# a comment
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {app: checkout, "on": "yes"}
data:
  text: |
    first
    second
  empty: ""
  list: '[1, 2]'
`;
    expect(sent(manifest)).toBe(
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","labels":{"app":"checkout","on":"yes"}},' +
        '"data":{"text":"first\\nsecond\\n","empty":"","list":"[1, 2]"}}',
    );
  });

  test('JSON under a YAML type goes through the strict JSON reader, of any size', () => {
    const large = JSON.stringify({ a: 'x'.repeat(yamlBodyBytesMax) });
    expect(sent(large)).toBe(large);
    expect(problem('{"a": 1, "a": 2}').message).toContain('more than once');
    expect(problem('{"a": "\\ud800"}').message).toContain('surrogate');
  });

  test('braces that are YAML and no JSON are YAML', () => {
    expect(sent('{a: b, c: [1, d]}')).toBe('{"a":"b","c":[1,"d"]}');
  });

  test('what JSON takes plainly and YAML does not is escaped', () => {
    expect(sent(JSON.stringify({ a: '\u0085\u2028\u2029\u007f\ufeffü😀' }))).toBe(
      '{"a":"\\u0085\\u2028\\u2029\\u007f\\ufeffü😀"}',
    );
  });

  test('__proto__ is a key like any other', () => {
    expect(sent('__proto__: x\nb: 1')).toBe('{"__proto__":"x","b":1}');
  });

  test('it reads back to the same value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        const result = parse(text);
        fc.pre(result.ok);
        const again = parseYamlBody(result.value.bytes);
        expect(again.ok && again.value.bytes.equals(result.value.bytes)).toBe(true);
      }),
    );
  });
});
