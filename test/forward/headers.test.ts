import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerHeaders, upstreamHeaders } from '../../src/forward/headers.ts';

const IDENTITY = [
  'authorization',
  'Impersonate-User',
  'impersonate-group',
  'Impersonate-Extra-x',
  'impersonate_user',
  'X-Remote-User',
  'x-remote-group',
  'X-Forwarded-For',
  'Forwarded',
  'Cookie',
  'Proxy-Authorization',
  'Audit-ID',
  'Host',
  'Sec-WebSocket-Protocol',
  'X-HTTP-Method-Override',
];

describe('request headers are an allow-list', () => {
  test('no set of headers carries an identity upstream', () => {
    const name = fc.oneof(
      fc.constantFrom(...IDENTITY, 'Accept', 'Connection', 'User-Agent', 'Content-Type'),
      fc.string({ minLength: 1, maxLength: 20 }),
    );
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('Authorization, Accept', 'Impersonate-User', 'close'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (pairs) => {
        const sent = upstreamHeaders(pairs.flat());
        for (const [header, text] of sent) {
          expect(header).toMatch(/^(?:accept|content-type|if-.*|kubectl-.*|trace.*|user-agent)$/);
          // oxlint-disable-next-line no-control-regex -- what must not be there
          expect(text).not.toMatch(/[\u0000-\u0008\u000a-\u001f]/);
        }
        expect(new Set(sent.map(([header]) => header)).size).toBe(sent.length);
      }),
    );
  });

  test.each([
    {
      name: 'what Connection names is hop-by-hop',
      raw: ['Connection', 'Accept', 'Accept', 'x'],
      sent: [],
    },
    {
      name: 'repeated Accept lines are joined',
      raw: ['Accept', 'a', 'accept', 'b'],
      sent: [['accept', 'a, b']],
    },
    {
      name: 'a value with a line break is dropped',
      raw: ['User-Agent', 'a\r\nImpersonate-User: b'],
      sent: [],
    },
  ])('$name', ({ raw, sent }) => {
    expect(upstreamHeaders(raw)).toEqual(sent);
  });
});

test("answers keep what clients need, and lose what is one hop's or sets state", () => {
  const sent = answerHeaders({
    'Content-Type': 'application/json',
    connection: 'close',
    'transfer-encoding': 'chunked',
    'set-cookie': ['a=b'],
    warning: ['299 - "a"', '299 - "b"'],
    ':status': '200',
    'retry-after': '1',
  });
  expect(sent).toEqual([
    ['content-type', 'application/json'],
    ['warning', '299 - "a"'],
    ['warning', '299 - "b"'],
    ['retry-after', '1'],
  ]);
});
