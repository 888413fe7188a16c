import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  acceptHeaders,
  agreedProtocol,
  readOffer,
  tunnelProtocol,
  upgradeHeaders,
  wireOf,
  type StreamOffer,
  type StreamResource,
} from '../../../src/forward/streams/offer.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const V5 = 'v5.channel.k8s.io';
const V4 = 'v4.channel.k8s.io';
type Header = readonly [string, string];

type Ask = {
  readonly resource?: StreamResource;
  readonly method?: string;
  readonly upgrade?: string;
  readonly version?: readonly string[];
  readonly key?: readonly string[];
  readonly protocol?: readonly string[];
  readonly more?: readonly Header[];
};

function read(ask: Ask) {
  const { resource = 'pods/exec', method = 'GET', upgrade = 'websocket', more = [] } = ask;
  const { version = ['13'], key = [KEY], protocol = [V5] } = ask;
  const pairs: readonly Header[] = [
    ...version.map((value): Header => ['Sec-WebSocket-Version', value]),
    ...key.map((value): Header => ['sec-websocket-key', value]),
    ...protocol.map((value): Header => ['Sec-Websocket-Protocol', value]),
    ...more,
  ];
  return readOffer(resource, { method, upgrade, rawHeaders: pairs.flat() });
}
const spdy = (...versions: readonly string[]): Partial<Ask> => ({
  upgrade: 'SPDY/3.1',
  method: 'POST',
  version: [],
  key: [],
  protocol: [],
  more: versions.map((value): Header => ['X-Stream-Protocol-Version', value]),
});

describe('a client is offered what it speaks and we carry, in its order', () => {
  const cases: readonly {
    readonly name: string;
    readonly ask: Ask;
    readonly transport?: 'websocket' | 'spdy';
    readonly protocols: readonly string[];
  }[] = [
    { name: 'v5', ask: {}, protocols: [V5] },
    {
      name: 'kubectl exec',
      ask: { protocol: [`${V5},${V4}, v3.channel.k8s.io`, 'channel.k8s.io'] },
      protocols: [V5, V4],
    },
    { name: 'the older first', ask: { protocol: [V4, V5] }, protocols: [V4, V5] },
    { name: 'one twice', ask: { protocol: [V4, `${V4},${V4}`] }, protocols: [V4] },
    { name: 'odd case of the Upgrade header', ask: { upgrade: ' WebSocket ' }, protocols: [V5] },
    { name: 'attach', ask: { resource: 'pods/attach', protocol: [V4] }, protocols: [V4] },
    {
      name: 'kubectl port-forward',
      ask: { resource: 'pods/portforward', protocol: [tunnelProtocol] },
      protocols: [tunnelProtocol],
    },
    {
      name: 'the Python client',
      ask: { resource: 'pods/portforward', protocol: [V4] },
      protocols: [V4],
    },
    {
      name: 'a browser, whose token is a subprotocol: never chosen',
      ask: { protocol: ['base64url.bearer.authorization.k8s.io.c2VjcmV0', V4] },
      protocols: [V4],
    },
    {
      name: 'SPDY, a version a header',
      ask: spdy(V4, V5, 'v2.channel.k8s.io'),
      transport: 'spdy',
      protocols: [V4, V5],
    },
    {
      name: 'SPDY port-forward',
      ask: { ...spdy('portforward.k8s.io'), resource: 'pods/portforward' },
      transport: 'spdy',
      protocols: ['portforward.k8s.io'],
    },
  ];
  test.each(cases)('$name', ({ ask, transport = 'websocket', protocols }) => {
    const key = transport === 'spdy' ? '' : KEY;
    expect(read(ask)).toEqual({ ok: true, value: { transport, protocols, key } });
  });
});

describe('a handshake that is not exactly right is refused', () => {
  const cases: readonly { readonly name: string; readonly ask: Ask; readonly why: RegExp }[] = [
    { name: 'another upgrade', ask: { upgrade: 'h2c' }, why: /"h2c" is not carried/ },
    { name: 'a name of Object', ask: { upgrade: 'constructor' }, why: /not carried/ },
    { name: 'two upgrades at once', ask: { upgrade: 'websocket, h2c' }, why: /not carried/ },
    { name: 'no upgrade', ask: { upgrade: '' }, why: /not carried/ },
    { name: 'SPDY/3', ask: { ...spdy(V4), upgrade: 'SPDY/3' }, why: /not carried/ },
    { name: 'a WebSocket by POST', ask: { method: 'POST' }, why: /opened with GET/ },
    { name: 'no version', ask: { version: [] }, why: /Version must be 13, once/ },
    { name: 'version 8', ask: { version: ['8'] }, why: /Version must be 13, once/ },
    { name: 'two versions', ask: { version: ['13', '8'] }, why: /Version must be 13, once/ },
    { name: 'a list of versions', ask: { version: ['13, 13'] }, why: /Version must be 13, once/ },
    { name: 'no key', ask: { key: [] }, why: /Key must be 16 bytes/ },
    { name: 'a short key', ask: { key: ['c2hvcnQ='] }, why: /Key must be 16 bytes/ },
    { name: 'a long key', ask: { key: [`AAAA${KEY}`] }, why: /Key must be 16 bytes/ },
    { name: 'no base64', ask: { key: [`${KEY.slice(0, 21)}!==`] }, why: /Key must be 16 bytes/ },
    { name: 'the key twice', ask: { key: [KEY, KEY] }, why: /Key must be 16 bytes/ },
    { name: 'no protocol', ask: { protocol: [] }, why: /the client offers none/ },
    { name: 'base64 channels', ask: { protocol: ['base64.channel.k8s.io'] }, why: /in common/ },
    {
      name: 'v3, which has no exit code',
      ask: { protocol: ['v3.channel.k8s.io'] },
      why: /in common/,
    },
    { name: 'the tunnel for exec', ask: { protocol: [tunnelProtocol] }, why: /in common/ },
    { name: 'v5 for port-forward', ask: { resource: 'pods/portforward' }, why: /in common/ },
    { name: 'odd case of a protocol', ask: { protocol: [V5.toUpperCase()] }, why: /in common/ },
    {
      name: 'SPDY by HEAD, whose answer may have no body',
      ask: { ...spdy(V4), method: 'HEAD' },
      why: /POST or GET/,
    },
    { name: 'SPDY by DELETE', ask: { ...spdy(V4), method: 'DELETE' }, why: /POST or GET/ },
    { name: 'SPDY without a version', ask: spdy(), why: /the client offers none/ },
    {
      name: 'SPDY whose version stands in the header of WebSockets',
      ask: { ...spdy(), protocol: [V4] },
      why: /the client offers none/,
    },
  ];
  test.each(cases)('$name', ({ ask, why }) => {
    const end = read(ask);
    if (end.ok) throw new Error('it was accepted');
    expect(end.error.code).toBe('HOLDGATE_FORWARD_STREAM_UNSUPPORTED');
    expect(end.error.message).toMatch(why);
  });

  test('and the refusal, which is recorded, holds neither a token nor more than a few hundred characters', () => {
    const bearer = 'base64url.bearer.authorization.k8s.io.c2VjcmV0';
    const end = read({ protocol: [bearer, bearer.toUpperCase(), 'x'.repeat(10_000)] });
    if (end.ok) throw new Error('it was accepted');
    const text = JSON.stringify(end.error);
    expect(text.toLowerCase()).not.toContain('c2vjcmv0');
    expect(text).toContain('base64url.bearer.authorization.k8s.io.');
    expect(text.length).toBeLessThan(1000);
  });
});

test('the wire of a session follows from what was agreed', () => {
  const offer: StreamOffer = { transport: 'websocket', protocols: [V5], key: KEY };
  expect(wireOf(offer, V5)).toBe('channels');
  expect(wireOf(offer, tunnelProtocol)).toBe('tunnel');
  expect(wireOf({ ...offer, transport: 'spdy' }, V4)).toBe('spdy');
});

const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

describe('what we ask the cluster for', () => {
  test('a WebSocket has a key of its own, every protocol of the offer, and no extension', () => {
    const offer: StreamOffer = { transport: 'websocket', protocols: [V5, V4], key: KEY };
    const asked = [upgradeHeaders(offer), upgradeHeaders(offer)];
    const keys = asked.map(({ key }) => key);
    expect(new Set([...keys, KEY]).size).toBe(3);
    expect(keys.map((key) => Buffer.from(key, 'base64').length)).toEqual([16, 16]);
    expect(asked[0]?.headers).toEqual([
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', keys[0]],
      ['sec-websocket-protocol', `${V5}, ${V4}`],
    ]);
  });

  test('SPDY has a header a version, as client-go sends them', () => {
    const offer: StreamOffer = { transport: 'spdy', protocols: [V5, V4], key: '' };
    expect(upgradeHeaders(offer)).toEqual({
      key: '',
      headers: [
        ['connection', 'Upgrade'],
        ['upgrade', 'SPDY/3.1'],
        ['x-stream-protocol-version', V5],
        ['x-stream-protocol-version', V4],
      ],
    });
  });
});

test('our 101 answers the key of the client (RFC 6455 §1.3), and agrees to no extension', () => {
  const offer: StreamOffer = { transport: 'websocket', protocols: [V5, V4], key: KEY };
  expect(acceptHeaders(offer, V4)).toEqual([
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['sec-websocket-accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    ['sec-websocket-protocol', V4],
  ]);
  expect(acceptHeaders({ ...offer, transport: 'spdy' }, V4)).toEqual([
    ['connection', 'Upgrade'],
    ['upgrade', 'SPDY/3.1'],
    ['x-stream-protocol-version', V4],
  ]);
});

describe('the 101 of the cluster', () => {
  const offer: StreamOffer = { transport: 'websocket', protocols: [V5, V4], key: KEY };
  const right: Readonly<Record<string, string>> = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-accept': acceptOf(KEY),
    'sec-websocket-protocol': V4,
  };
  /** `undefined` leaves a header out. */
  const answer = (more: Readonly<Record<string, string | undefined>>): Header[] =>
    Object.entries({ ...right, ...more }).flatMap(([name, value]): Header[] =>
      value === undefined ? [] : [[name, value]],
    );

  test.each([
    { name: 'as Go sends it', more: {} },
    {
      name: 'odd case and blanks',
      more: { connection: 'keep-alive, UPGRADE', upgrade: ' WebSocket ' },
    },
    { name: 'the other protocol', more: { 'sec-websocket-protocol': V5 }, protocol: V5 },
  ])('is an upgrade: $name', ({ more, protocol = V4 }) => {
    expect(agreedProtocol(offer, KEY, answer(more))).toEqual({ ok: true, value: protocol });
  });

  const twice = (name: string, value: string): Header[] => [...answer({}), [name, value]];
  const wrong: readonly {
    readonly name: string;
    readonly headers: readonly Header[];
    readonly why: RegExp;
  }[] = [
    { name: 'no header at all', headers: [], why: /switched to ""/ },
    { name: 'no Upgrade', headers: answer({ upgrade: undefined }), why: /switched to ""/ },
    { name: 'another upgrade', headers: answer({ upgrade: 'h2c' }), why: /switched to "h2c"/ },
    { name: 'SPDY', headers: answer({ upgrade: 'SPDY/3.1' }), why: /not to websocket/ },
    { name: 'two upgrades', headers: twice('upgrade', 'h2c'), why: /switched to/ },
    { name: 'no Connection', headers: answer({ connection: undefined }), why: /Connection/ },
    { name: 'another Connection', headers: answer({ connection: 'close' }), why: /Connection/ },
    { name: 'no accept', headers: answer({ 'sec-websocket-accept': undefined }), why: /our key/ },
    {
      name: 'the accept of another key',
      headers: answer({ 'sec-websocket-accept': acceptOf('AAAAAAAAAAAAAAAAAAAAAA==') }),
      why: /our key/,
    },
    { name: 'the key itself', headers: answer({ 'sec-websocket-accept': KEY }), why: /our key/ },
    {
      name: 'two accepts',
      headers: twice('sec-websocket-accept', acceptOf(KEY)),
      why: /our key/,
    },
    {
      name: 'an extension',
      headers: answer({ 'sec-websocket-extensions': 'permessage-deflate' }),
      why: /extension/,
    },
    { name: 'no protocol', headers: answer({ 'sec-websocket-protocol': undefined }), why: /""/ },
    {
      name: 'a protocol that was not offered',
      headers: answer({ 'sec-websocket-protocol': 'channel.k8s.io' }),
      why: /not offered/,
    },
    { name: 'two protocols', headers: twice('sec-websocket-protocol', V5), why: /not offered/ },
    {
      name: 'a long protocol, cut in the message',
      headers: answer({ 'sec-websocket-protocol': 'x'.repeat(9000) }),
      why: /^.{0,150}$/,
    },
  ];
  test.each(wrong)('is none with $name (CVE-2018-1002105)', ({ headers, why }) => {
    const end = agreedProtocol(offer, KEY, headers);
    if (end.ok) throw new Error('it was accepted');
    expect(end.error).toMatch(why);
  });

  test('for SPDY names its protocol in its own header', () => {
    const asked: StreamOffer = { transport: 'spdy', protocols: [V4], key: '' };
    const headers: Header[] = [
      ['connection', 'Upgrade'],
      ['upgrade', 'SPDY/3.1'],
    ];
    expect(agreedProtocol(asked, '', [...headers, ['x-stream-protocol-version', V4]])).toEqual({
      ok: true,
      value: V4,
    });
    expect(agreedProtocol(asked, '', headers).ok).toBe(false);
    expect(agreedProtocol(asked, '', [...headers, ['sec-websocket-protocol', V4]]).ok).toBe(false);
    expect(agreedProtocol(asked, '', answer({})).ok).toBe(false);
  });
});
