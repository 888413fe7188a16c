import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, canonicalMembers } from '../../../src/decide/bundle/canonical-json.ts';

const canonical = (text: string): string => {
  const done = canonicalJson(Buffer.from(text));
  return done.ok ? done.value : `refused: ${done.error}`;
};

// That the form is OPA's is judged by opa itself, in signature.test.ts.
describe('the canonical form', () => {
  test.each([
    { what: 'no white space', text: ' { "a" : [ 1 , 2 ] } ', is: '{"a":[1,2]}' },
    { what: 'numbers as written', text: '[1.0,1E3,-0,1e-7]', is: '[1.0,1E3,-0,1e-7]' },
    { what: 'keys by their UTF-8 bytes', text: '{"😀":1,"\uffee":2}', is: '{"\uffee":2,"😀":1}' },
    { what: 'escapes undone where Go writes none', text: '"\\u0041\\/\\u007f"', is: '"A/\u007f"' },
    { what: 'line separators escaped', text: '"\u2028\u2029"', is: '"\\u2028\\u2029"' },
    { what: 'nothing inside', text: '{"a":{},"b":[]}', is: '{"a":{},"b":[]}' },
  ])('has $what', ({ text, is }) => {
    expect(canonical(text)).toBe(is);
  });

  test.each([
    { what: 'a repeated key', text: '{"a":1,"\\u0061":2}' },
    { what: 'a lone surrogate', text: '"\\ud800"' },
    { what: 'text behind the end', text: '{} {}' },
    { what: 'nothing', text: '' },
    { what: 'too deep nesting', text: '['.repeat(300) + ']'.repeat(300) },
  ])('is refused for $what', ({ text }) => {
    expect(canonical(text)).toMatch(/^refused: line 1, column \d+: /);
  });

  test('means the same, is the same whatever the layout, and is its own canonical form', () => {
    const shuffled = fc.tuple(fc.jsonValue({ noUnicodeString: false }), fc.nat({ max: 4 }));
    fc.assert(
      fc.property(shuffled, ([value, indent]) => {
        const text = canonical(JSON.stringify(value, null, indent));
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonical(text)).toBe(text);
        expect(canonical(JSON.stringify(value))).toBe(text);
      }),
    );
  });

  test('of very long strings with escapes is made without running out of stack', () => {
    const text = JSON.stringify('\\"'.repeat(1_000_000));
    expect(canonical(text)).toBe(text);
  });
});

test('members keep their canonical text', () => {
  expect([...(canonicalMembers('{"a":1.0,"__proto__":{"b":[]}}') ?? [])]).toEqual([
    ['a', '1.0'],
    ['__proto__', '{"b":[]}'],
  ]);
  expect(canonicalMembers('[1]')).toBeNull();
});
