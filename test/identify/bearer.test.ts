import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokenBytesMax } from '../../src/base/limits.ts';
import { readBearer } from '../../src/identify/bearer.ts';

const subprotocol = 'base64url.bearer.authorization.k8s.io.c2VjcmV0';

describe('the one bearer token', () => {
  test.each([
    { name: 'as kubectl sends it', headers: ['Authorization', 'Bearer abc.def.ghi'] },
    { name: 'in HTTP/2 spelling', headers: ['authorization', 'Bearer abc.def.ghi'] },
    { name: 'with a scheme in lower case', headers: ['AUTHORIZATION', 'bearer abc.def.ghi'] },
    { name: 'with several spaces', headers: ['Authorization', 'Bearer   abc.def.ghi '] },
    {
      name: 'beside harmless headers and subprotocols',
      headers: [
        'Accept',
        '*/*',
        'Authorization',
        'Bearer abc.def.ghi',
        'Sec-WebSocket-Protocol',
        'v5.channel.k8s.io, v4.channel.k8s.io',
      ],
    },
  ])('is taken $name', ({ headers }) => {
    const read = readBearer(headers);
    expect(read.ok && read.value.token.reveal()).toBe('abc.def.ghi');
  });

  test('is never printed with what holds it', () => {
    const read = readBearer(['Authorization', 'Bearer abc.def.ghi']);
    expect(JSON.stringify(read)).not.toContain('abc');
  });
});

const good = ['Authorization', 'Bearer abc.def.ghi'];

describe('every other credential is refused', () => {
  test.each([
    { name: 'a second Authorization', more: ['Authorization', 'Bearer xyz.xyz.xyz'] },
    { name: 'the same Authorization twice', more: good },
    { name: 'a second Authorization in another case', more: ['aUTHORIZATION', 'Basic eHl6'] },
    { name: 'Impersonate-User', more: ['Impersonate-User', 'root'] },
    { name: 'impersonate_user', more: ['impersonate_user', 'root'] },
    { name: 'IMPERSONATE-GROUP', more: ['IMPERSONATE-GROUP', 'system:masters'] },
    { name: 'Impersonate_Extra-x', more: ['Impersonate_Extra-x', 'y'] },
    { name: 'Impersonate-Uid, empty', more: ['Impersonate-Uid', ''] },
    { name: 'a token as subprotocol', more: ['Sec-WebSocket-Protocol', subprotocol] },
    {
      name: 'a token as subprotocol in a list',
      more: ['sec-websocket-protocol', `v5.channel.k8s.io , ${subprotocol}`],
    },
    {
      name: 'a token as subprotocol in another case',
      more: ['SEC-WEBSOCKET-PROTOCOL', subprotocol.toUpperCase()],
    },
    {
      name: 'a token in a second subprotocol header',
      more: ['Sec-WebSocket-Protocol', 'v5.channel.k8s.io', 'Sec_WebSocket_Protocol', subprotocol],
    },
  ])('$name beside a good token', ({ more }) => {
    for (const headers of [
      [...good, ...more],
      [...more, ...good],
    ]) {
      const read = readBearer(headers);
      expect(read).toMatchObject({
        ok: false,
        error: { code: 'HOLDGATE_IDENTIFY_CREDENTIAL_REFUSED' },
      });
    }
  });

  test.each([
    { name: 'Basic', value: 'Basic dXNlcjpodW50ZXIy' },
    { name: 'Negotiate', value: 'Negotiate YII' },
    { name: 'a token without its scheme', value: 'eyJhbGciOiJub25lIn0.e30.' },
  ])('$name instead of Bearer, without repeating it', ({ value }) => {
    const read = readBearer(['Authorization', value]);
    expect(read).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_CREDENTIAL_REFUSED' },
    });
    expect(JSON.stringify(read)).not.toContain(value.split(' ').at(-1));
  });

  test('but cookies, front-proxy identities and proxy credentials have no effect, and are named', () => {
    const read = readBearer([
      'Cookie',
      'session=1',
      ...good,
      'X-Remote-User',
      'root',
      'x_remote_group',
      'system:masters',
      'Proxy-Authorization',
      'Basic eHl6',
    ]);
    expect(read).toMatchObject({
      ok: true,
      value: { ignored: ['cookie', 'x-remote-user', 'x-remote-group', 'proxy-authorization'] },
    });
  });
});

describe('what is no token', () => {
  test.each([
    { name: 'nothing at all', headers: [], code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING' },
    {
      name: 'only a cookie',
      headers: ['Cookie', 'token=abc.def.ghi'],
      code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
    },
    {
      name: 'an empty Authorization',
      headers: ['Authorization', ' '],
      code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
    },
    {
      name: 'Bearer without a token',
      headers: ['Authorization', 'Bearer'],
      code: 'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
    },
    {
      name: 'two tokens in one header',
      headers: ['Authorization', 'Bearer abc.def.ghi, Bearer xyz.xyz.xyz'],
      code: 'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
    },
    {
      name: 'one byte more than the bound',
      headers: ['Authorization', `Bearer ${'a'.repeat(tokenBytesMax + 1)}`],
      code: 'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
    },
  ])('is refused: $name', ({ headers, code }) => {
    expect(readBearer(headers)).toMatchObject({ ok: false, error: { code } });
  });

  test('a token of exactly the bound is read', () => {
    expect(readBearer(['Authorization', `Bearer ${'a'.repeat(tokenBytesMax)}`]).ok).toBe(true);
  });
});

test('whatever the headers, at most one token comes out, and it stood in the only Authorization', () => {
  const name = fc.constantFrom(
    'Authorization',
    'authorization',
    'Impersonate-User',
    'Cookie',
    'Sec-WebSocket-Protocol',
    'Accept',
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('Bearer a.b.c', 'Basic eHl6', subprotocol, 'Bearer ', 'bearer x'),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (pairs) => {
      const read = readBearer(pairs.flat());
      if (!read.ok) return;
      const authorizations = pairs.filter(([one]) => one.toLowerCase() === 'authorization');
      expect(authorizations).toHaveLength(1);
      expect(authorizations[0]?.[1].trim().slice('bearer '.length).trim()).toBe(
        read.value.token.reveal(),
      );
      expect(pairs.some(([one]) => one === 'Impersonate-User')).toBe(false);
    }),
  );
});
