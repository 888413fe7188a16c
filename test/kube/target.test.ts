import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { targetBytesMax } from '../../src/base/limits.ts';
import { requestInfo } from '../../src/kube/request-info.ts';
import { parseTarget, rebuildTarget, stripSegments, targetPath } from '../../src/kube/target.ts';
import { hostileTarget, method, plausibleTarget } from '../support/kube-arbitraries.ts';

const parsed = (raw: string) => {
  const result = parseTarget(raw);
  if (!result.ok) throw new Error(`${raw}: ${result.error.message}`);
  return result.value;
};

/** A decoder of the test's own, byte by byte as Go's net/url does it; null where Go fails. */
function goUnescape(text: string, plusIsSpace: boolean): string | null {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === '%') {
      const hex = text.slice(at + 1, at + 3);
      if (!/^[0-9a-f]{2}$/i.test(hex)) return null;
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else bytes.push(letter === '+' && plusIsSpace ? 0x20 : letter.charCodeAt(0));
  }
  return Buffer.from(bytes).toString('utf8');
}

/** What Go's server would hold as URL.Path and URL.Query() for a target; throws where Go fails or a hop could differ. */
function goReads(raw: string): { path: string; pairs: readonly (readonly [string, string])[] } {
  if (!/^\/[!-~]*$/.test(raw)) throw new Error(`not one line of visible ASCII: ${raw}`);
  const [rawPath = '', ...queries] = raw.split('?');
  const rawQuery = queries.join('?');
  const must = (text: string | null): string => {
    if (text === null) throw new Error(`Go cannot decode ${raw}`);
    return text;
  };
  const pairs = rawQuery
    .split('&')
    .filter((piece) => piece !== '')
    .map((piece) => {
      if (piece.includes(';')) throw new Error(`Go drops the pair ${piece}`);
      const [name = '', ...values] = piece.split('=');
      return [must(goUnescape(name, true)), must(goUnescape(values.join('='), true))] as const;
    });
  return { path: must(goUnescape(rawPath, false)), pairs };
}

describe('parseTarget refuses what some reader takes for something else', () => {
  test.each([
    { what: 'absolute form', raw: 'http://evil/api/v1/pods' },
    { what: 'absolute form without a path', raw: 'https://evil' },
    { what: 'asterisk form', raw: '*' },
    { what: 'nothing', raw: '' },
    { what: 'a relative path', raw: 'api/v1/pods' },
    { what: 'a query alone', raw: '?watch=1' },
    { what: 'a host in the path', raw: '//evil/api' },
    { what: 'an empty segment', raw: '/api//v1' },
    { what: 'two trailing slashes', raw: '/api/v1/pods/x/exec//' },
    { what: 'a dot segment', raw: '/api/./v1' },
    { what: 'a double dot segment', raw: '/api/v1/../v1/secrets' },
    { what: 'a dot segment at the end', raw: '/api/v1/pods/..' },
    { what: 'an encoded dot segment', raw: '/api/v1/%2e%2E/secrets' },
    { what: 'a half encoded dot segment', raw: '/api/v1/.%2e/secrets' },
    { what: 'an encoded slash', raw: '/api/v1/namespaces/a/pods/x%2Fexec' },
    { what: 'an encoded slash in lower case', raw: '/api/v1/namespaces/a%2fpods/x' },
    { what: 'an encoded backslash', raw: '/api/v1/pods%5Cx' },
    { what: 'a backslash', raw: '/api\\v1' },
    { what: 'an encoded NUL', raw: '/api/v1/pods/x%00' },
    { what: 'an encoded line feed', raw: '/api/v1/pods/x%0a' },
    { what: 'an encoded DEL', raw: '/api/v1/pods/x%7f' },
    { what: 'an encoded C1 control', raw: '/api/v1/pods/x%C2%85' },
    { what: 'a raw tab', raw: '/api/v1/po\tds' },
    { what: 'a raw space', raw: '/api/v1/po ds' },
    { what: 'raw bytes above ASCII', raw: '/api/v1/p\u00f6ds' },
    { what: 'a bad escape', raw: '/api/v1/pods/%zz' },
    { what: 'a cut escape', raw: '/api/v1/pods/%4' },
    { what: 'an overlong encoding of a slash', raw: '/api/v1/pods/%c0%af' },
    { what: 'an encoded surrogate', raw: '/api/v1/pods/%ed%a0%80' },
    { what: 'a double encoded slash', raw: '/api/v1/pods/x%252Fexec' },
    { what: 'a double encoded dot segment', raw: '/api/v1/pods/%252e%252e' },
    { what: 'a semicolon', raw: '/api/v1/pods/x;a=b' },
    { what: 'an encoded semicolon', raw: '/api/v1/pods/x%3B' },
    { what: 'a fragment', raw: '/api/v1/pods#x' },
    { what: 'a fragment after the query', raw: '/api/v1/pods?watch=1#x' },
    { what: 'a semicolon in the query', raw: '/api/v1/pods?watch=1;dryRun=All' },
    { what: 'a bad escape in the query', raw: '/api/v1/pods?watch=%' },
    { what: 'bytes that are no UTF-8 in the query', raw: '/api/v1/pods?watch=%ff' },
    { what: 'a NUL in the query', raw: '/api/v1/pods?labelSelector=a%00,b' },
    { what: 'a NUL in the name of a parameter', raw: '/api/v1/pods?%00=1' },
    { what: 'more parameters than Go takes', raw: `/api?${'a&'.repeat(10_000)}` },
  ])('$what', ({ raw }) => {
    const result = parseTarget(raw);
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_LISTEN_TARGET_MALFORMED' },
    });
  });

  test('a target above its bound, before it is looked at', () => {
    const result = parseTarget(`/${'%'.repeat(targetBytesMax)}`);
    expect(result).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_LISTEN_TARGET_TOO_LONG' },
    });
  });

  test('the message says where', () => {
    expect(parseTarget('/api/v1/a%2Fb')).toMatchObject({
      error: { message: 'path segment 3 holds an encoded slash or a backslash' },
    });
    expect(parseTarget('/api?a=1&b=%zz')).toMatchObject({
      error: { message: 'query parameter 2 has a percent escape that is not valid UTF-8' },
    });
  });
});

describe('parseTarget takes what clients send', () => {
  test.each([
    { raw: '/', segments: [], query: [], rebuilt: '/' },
    { raw: '/?', segments: [], query: [], rebuilt: '/' },
    { raw: '/api/v1/pods?', segments: ['api', 'v1', 'pods'], query: [], rebuilt: '/api/v1/pods' },
    {
      raw: '/api/v1/pods?limit=500&&watch',
      segments: ['api', 'v1', 'pods'],
      query: ['limit=500', 'watch='],
      rebuilt: '/api/v1/pods?limit=500&watch=',
    },
    {
      raw: '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node',
      segments: ['apis', 'rbac.authorization.k8s.io', 'v1', 'clusterroles', 'system:node'],
      query: [],
      rebuilt: '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node',
    },
    {
      raw: '/api/v1/pods/%C3%BC%20x?a+b=c%2Bd=e?/f',
      segments: ['api', 'v1', 'pods', 'ü x'],
      query: ['a b=c+d=e?/f'],
      rebuilt: '/api/v1/pods/%C3%BC%20x?a%20b=c%2Bd%3De%3F%2Ff',
    },
    {
      raw: '/x?command=sh&command=-c&command=a%0Ab%26c%3B',
      segments: ['x'],
      query: ['command=sh', 'command=-c', 'command=a\nb&c;'],
      rebuilt: '/x?command=sh&command=-c&command=a%0Ab%26c%3B',
    },
    { raw: '/api/%EF%BB%BFx', segments: ['api', '\ufeffx'], query: [], rebuilt: '/api/%EF%BB%BFx' },
    {
      raw: '/x?=y&__proto__=1',
      segments: ['x'],
      query: ['=y', '__proto__=1'],
      rebuilt: '/x?=y&__proto__=1',
    },
  ])('$raw', ({ raw, segments, query, rebuilt }) => {
    const target = parsed(raw);
    expect(target.segments).toEqual(segments);
    expect(target.query.map(({ name, value }) => `${name}=${value}`)).toEqual(query);
    expect(target.rebuilt).toBe(rebuilt);
  });
});

describe('a trailing slash', () => {
  test.each([
    { raw: '/api/v1/namespaces/a/pods/x/exec/', rebuilt: '/api/v1/namespaces/a/pods/x/exec' },
    { raw: '/api/v1/', rebuilt: '/api/v1' },
    { raw: '/apis/', rebuilt: '/apis' },
    { raw: '/version/', rebuilt: '/version' },
    { raw: '/healthz/', rebuilt: '/healthz/' },
    { raw: '/logs/', rebuilt: '/logs/' },
    {
      raw: '/api/v1/namespaces/a/services/x/proxy/',
      rebuilt: '/api/v1/namespaces/a/services/x/proxy/',
    },
    { raw: '/api/v1/proxy/nodes/x/', rebuilt: '/api/v1/proxy/nodes/x/' },
  ])('$raw goes upstream as $rebuilt', ({ raw, rebuilt }) => {
    expect(parsed(raw).rebuilt).toBe(rebuilt);
    expect(targetPath(parsed(raw))).toBe(rebuilt);
  });
});

describe('stripSegments', () => {
  test.each([
    { raw: '/clusters/prod/api/v1/pods/?watch=1', count: 2, rebuilt: '/api/v1/pods?watch=1' },
    { raw: '/clusters/prod/healthz/', count: 2, rebuilt: '/healthz/' },
    { raw: '/clusters/prod/', count: 2, rebuilt: '/' },
    { raw: '/s/t1/version/', count: 2, rebuilt: '/version' },
  ])('$raw without $count segments is $rebuilt', ({ raw, count, rebuilt }) => {
    const rest = stripSegments(parsed(raw), count);
    expect(rest).toEqual(parsed(rebuilt));
  });
});

describe('rebuildTarget', () => {
  test.each(['', '.', '..', 'a/b', 'a\\b', 'a\u0000', 'a;b', 'a%2fb'])(
    'never builds a path from the segment %j, which would be read as another path',
    (segment) => {
      expect(() => rebuildTarget(['api', segment], [])).toThrow(RangeError);
    },
  );
});

describe('no accepted target can mean something else to the API server', () => {
  test('Go decodes what goes upstream to exactly the segments and pairs that policy saw', () => {
    fc.assert(
      fc.property(fc.oneof(plausibleTarget, hostileTarget), (raw) => {
        const result = parseTarget(raw);
        fc.pre(result.ok);
        const { segments, query, rebuilt, trailingSlash } = result.value;
        const go = goReads(rebuilt);
        expect(go.path).toBe(`/${segments.join('/')}${trailingSlash === true ? '/' : ''}`);
        expect(go.path.split('/').filter((part) => part !== '')).toEqual(segments);
        expect(go.pairs).toEqual(query.map(({ name, value }) => [name, value]));
        const asSent = goReads(raw);
        expect(asSent.pairs).toEqual(go.pairs);
        expect(asSent.path.replace(/\/$/, '')).toBe(go.path.replace(/\/$/, ''));
      }),
      { numRuns: 2000 },
    );
  });

  test('what goes upstream parses to itself, and is the same request', () => {
    fc.assert(
      fc.property(fc.oneof(plausibleTarget, hostileTarget), method, (raw, sentWith) => {
        const result = parseTarget(raw);
        fc.pre(result.ok);
        const again = parsed(result.value.rebuilt);
        expect(again).toEqual(result.value);
        expect(requestInfo(sentWith, again)).toEqual(requestInfo(sentWith, result.value));
      }),
      { numRuns: 1000 },
    );
  });

  test('nothing that is accepted holds a separator, a dot segment or a control character', () => {
    fc.assert(
      fc.property(fc.oneof(plausibleTarget, hostileTarget), (raw) => {
        const result = parseTarget(raw);
        fc.pre(result.ok);
        for (const segment of result.value.segments)
          expect(segment).not.toMatch(/^$|^\.\.?$|[/\\;\p{Cc}]|%[0-9a-f]{2}/iu);
        expect(result.value.rebuilt).toMatch(/^\/(?!\/)[!-~]*$/);
        expect(result.value.rebuilt).not.toMatch(/[#;\\]/);
      }),
      { numRuns: 1000 },
    );
  });
});
