import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordedInput } from '../../src/record/recorded-input.ts';
import { recordedTargetCharsMax, targetForRecord } from '../../src/record/target-for-record.ts';
import { somePolicyInput } from '../support/record-entries.ts';

/** A text that cannot be in a record by chance. */
const planted = 'PLANTED-SECRET-0451';

describe('policy input in a record', () => {
  test.each([
    { name: 'the object', request: { object: { data: { password: planted } } } },
    { name: 'the patch', request: { patch: [{ op: 'add', path: '/x', value: planted }] } },
    {
      name: "an exec's argv",
      request: {
        exec: {
          command: ['mysql', `-p${planted}`],
          container: 'c',
          stdin: true,
          stdout: true,
          stderr: true,
          tty: false,
        },
      },
    },
    {
      name: "an exec's argv among the query parameters",
      request: { options: { command: ['mysql', `-p${planted}`] } },
    },
    {
      name: 'the parameters of an application behind a proxy',
      request: { options: { access_token: [planted] } },
    },
  ])('never holds $name', ({ request }) => {
    expect(JSON.stringify(recordedInput(somePolicyInput(request)))).not.toContain(planted);
  });

  test('never holds the live object', () => {
    const input = { ...somePolicyInput(), live: { data: planted } };
    expect(JSON.stringify(recordedInput(input))).not.toContain(planted);
  });

  test('keeps how many arguments an exec had, and where it ran', () => {
    const exec = {
      command: ['sh', '-c', 'id'],
      container: 'main',
      stdin: true,
      stdout: true,
      stderr: true,
      tty: true,
    };
    expect(recordedInput(somePolicyInput({ exec })).request.exec).toEqual({
      argc: 3,
      container: 'main',
      stdin: true,
      tty: true,
    });
  });

  test('keeps the parameters that are the Kubernetes API’s own', () => {
    const options = { labelSelector: ['app=web'], 'preconditions.uid': ['u1'], odd: ['x'] };
    expect(recordedInput(somePolicyInput({ options })).request.options).toEqual({
      labelSelector: ['app=web'],
      'preconditions.uid': ['u1'],
      odd: ['[redacted]'],
    });
  });

  test('stays small whatever the query holds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.array(fc.string({ maxLength: 5000 })), { maxKeys: 300 }),
        (options) => {
          const recorded = recordedInput(somePolicyInput({ options })).request.options;
          expect(JSON.stringify(recorded).length).toBeLessThan(200_000);
          expect(Object.keys(recorded).length).toBeLessThanOrEqual(65);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a raw target in a record', () => {
  test.each([
    { name: 'a plain target', raw: '/api/v1/pods?limit=500', shown: '/api/v1/pods?limit=500' },
    {
      name: 'an exec keeps its parameters, not its argv',
      raw: '/api/v1/namespaces/a/pods/b/exec?command=mysql&command=-psecret&container=c&stdin=true',
      shown:
        '/api/v1/namespaces/a/pods/b/exec?command=[redacted]&command=[redacted]&container=c&stdin=true',
    },
    { name: 'an encoded name', raw: '/x?%63ommand=secret', shown: '/x?%63ommand=[redacted]' },
    { name: 'an unknown parameter', raw: '/x?token=secret', shown: '/x?token=[redacted]' },
    { name: 'a bare value', raw: '/x?secret', shown: '/x?[redacted]' },
    { name: 'a fragment', raw: '/x#secret', shown: '/x#[redacted]' },
    {
      name: 'a semicolon',
      raw: '/x?limit=1;command=secret',
      shown: '/x?limit=1&command=[redacted]',
    },
    {
      name: 'credentials in an absolute form',
      raw: 'https://user:secret@host/x',
      shown: 'https://[redacted]@host/x',
    },
    {
      name: 'terminal escapes and line breaks',
      raw: '/x\u001b[2J\n/é',
      shown: '/x%1B[2J%0A/%C3%A9',
    },
  ])('$name', ({ raw, shown }) => {
    expect(targetForRecord(raw)).toBe(shown);
  });

  test('is printable ASCII and bounded, whatever came in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20_000 }), (raw) => {
        const shown = targetForRecord(raw);
        expect(shown).toMatch(/^[\x21-\x7e]*$/);
        expect(shown.length).toBeLessThan(recordedTargetCharsMax + 32);
      }),
    );
  });

  test('never holds the value of a parameter that is not Kubernetes’ own', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !/[=&;#?]/.test(text));
    const known = new Set(['ports', 'watch', 'limit', 'force', 'pretty', 'stream', 'tty']);
    fc.assert(
      fc.property(name, (parameter) => {
        fc.pre(!known.has(parameter));
        const raw = `/p?limit=1&${parameter}=${planted}`;
        expect(targetForRecord(raw)).not.toContain(planted);
      }),
    );
  });
});
