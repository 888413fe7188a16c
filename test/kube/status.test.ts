import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorRegistry, refusal, type ErrorCode } from '../../src/base/errors.ts';
import { statusObject, statusOf, watchError } from '../../src/kube/status.ts';

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- the registry's keys are its codes
const codes = Object.keys(errorRegistry) as ErrorCode[];

const headersOf = (answer: ReturnType<typeof statusOf>): Record<string, string> =>
  Object.fromEntries(answer.headers);

describe('statusOf', () => {
  test.each(codes)('%s is a failure with its own status, and never asks for a retry', (code) => {
    const answer = statusOf(refusal(code, 'something is wrong'), 'audit-1');
    const headers = headersOf(answer);
    expect(answer.http).toBe(errorRegistry[code].http);
    expect(answer.http).toBeGreaterThanOrEqual(400);
    expect(answer.http).not.toBe(429);
    expect(headers).not.toHaveProperty('retry-after');
    expect(headers['content-type']).toBe('application/json');
    expect(headers['content-length']).toBe(String(answer.body.length));
    expect(headers['holdgate-code']).toBe(code);
    expect('www-authenticate' in headers).toBe(answer.http === 401);
    expect('warning' in headers).toBe(code.startsWith('HOLDGATE_IDENTIFY_'));
    const body: unknown = JSON.parse(answer.body.toString());
    expect(body).toMatchObject({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      reason: errorRegistry[code].reason,
      code: answer.http,
    });
    expect(answer.body.toString()).not.toContain('retryAfter');
  });

  test('the message holds everything: what, what to do, the code, the approval, the Audit-ID', () => {
    const refused = refusal('HOLDGATE_HOLD_PENDING', 'held for approval', { approvalId: 'a-1' });
    const { message } = statusObject(refused, 'audit-1');
    expect(message).toContain(
      'held for approval. When it is approved, run the same command again.',
    );
    expect(message).toContain('HOLDGATE_HOLD_PENDING');
    expect(message).toContain('approval a-1');
    expect(message).toContain('Audit-ID audit-1');
    expect(headersOf(statusOf(refused, 'audit-1'))['holdgate-approval']).toBe('a-1');
  });

  test('causes carry the code first, for programs', () => {
    const causes = [{ reason: 'ApprovalPending', message: 'x\u001b', field: 'f' }];
    const { details } = statusObject(refusal('HOLDGATE_HOLD_PENDING', 'held', { causes }), 'a');
    expect(details.causes).toEqual([
      { reason: 'HOLDGATE_HOLD_PENDING', message: 'held' },
      { reason: 'ApprovalPending', message: 'x\\u001b', field: 'f' },
    ]);
  });

  test("the cluster's own words are passed on as they are", () => {
    const body = Buffer.from('{"kind":"Status","details":{"causes":[{"field":"spec"}]}}');
    const asCluster = { http: 422, reason: 'Invalid', body };
    const refused = refusal('HOLDGATE_FORWARD_REFUSED', 'Pod "x" is invalid:\n* spec', {
      asCluster,
    });
    expect(statusObject(refused, 'a')).toMatchObject({
      message: 'Pod "x" is invalid:\n* spec',
      reason: 'Invalid',
      code: 422,
      details: { causes: [] },
    });
    expect(statusOf(refused, 'a')).toMatchObject({ http: 422, body });
  });

  test("the operator's detail is not shown", () => {
    const refused = refusal('HOLDGATE_FORWARD_UNREACHABLE', 'no cluster', { detail: '10.0.0.1' });
    expect(statusOf(refused, 'a').body.toString()).not.toContain('10.0.0.1');
  });

  test('a 401 without a token names no error; one with a bad token does', () => {
    const missing = headersOf(statusOf(refusal('HOLDGATE_IDENTIFY_TOKEN_MISSING', 'x'), 'a'));
    const expired = headersOf(statusOf(refusal('HOLDGATE_IDENTIFY_TOKEN_EXPIRED', 'x'), 'a'));
    expect(missing['www-authenticate']).toBe('Bearer');
    expect(expired['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  test.each([
    { what: 'an escape sequence', text: 'x\u001b[2Jy', shown: 'x\\u001b[2Jy' },
    { what: 'a carriage return', text: 'x\rError', shown: 'x\\u000dError' },
    { what: 'a C1 control', text: 'x\u009by', shown: 'x\\u009by' },
    { what: 'a bidi override', text: 'x\u202ey', shown: 'x\\u202ey' },
    { what: 'a line separator', text: 'x\u2028y', shown: 'x\\u2028y' },
  ])('$what in a message does not reach a terminal', ({ text, shown }) => {
    const { message } = statusObject(refusal('HOLDGATE_DECIDE_DENIED', text), 'a');
    expect(message).toContain(shown);
    expect(message).not.toContain(text);
  });

  test('whatever a message holds, the headers are header values and the body is JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...codes), (text, code) => {
        const answer = statusOf(refusal(code, text, { approvalId: text }), 'audit-1');
        for (const [name, value] of answer.headers) {
          expect(name).toMatch(/^[a-z-]+$/);
          expect(value).toMatch(/^[ -~]*$/);
        }
        const warning = headersOf(answer)['warning'];
        expect(warning ?? '299 - "x"').toMatch(/^299 - "[^"\\]*"$/);
        expect(() => void JSON.parse(answer.body.toString())).not.toThrow();
      }),
    );
  });
});

test('watchError is one line that ends a watch with the Status', () => {
  const refused = refusal('HOLDGATE_RECORD_UNAVAILABLE', 'a\nb');
  const line = watchError(refused, 'audit-1').toString();
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(JSON.parse(line)).toEqual({ type: 'ERROR', object: statusObject(refused, 'audit-1') });
});
