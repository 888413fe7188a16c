import { refusal, type Refusal } from '../base/errors.ts';
import { targetBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { QueryPair, RequestTarget } from './request.ts';

/**
 * Go's net/url refuses a query of more pairs since 1.26, and `URL.Query()` then returns none of them: the API server
 * would act on no parameter while policy saw them all. Older Go takes any number. Counted as Go counts: `&` plus one.
 */
const queryPairsMax = 10_000;

const malformed = (message: string): { readonly ok: false; readonly error: Refusal } =>
  err(refusal('HOLDGATE_LISTEN_TARGET_MALFORMED', message));

/**
 * Parses a raw request-target (RFC 9112 §3.2.1, origin-form only) as it stood on the wire. What passes has one meaning
 * for Go's net/url, for kube-apiserver's RequestInfo and for its router; the rest is refused with the place named.
 *
 * Never `new URL()`: it folds dot segments, `\` and tabs, and takes a host out of `//host/path` (all measured).
 */
export function parseTarget(raw: string): Result<RequestTarget, Refusal> {
  if (raw.length > targetBytesMax) {
    return err(
      refusal(
        'HOLDGATE_LISTEN_TARGET_TOO_LONG',
        `the request target has ${raw.length} bytes, ${targetBytesMax} are taken`,
      ),
    );
  }
  // Visible ASCII only: Node hands raw bytes above 0x7f over as Latin-1, and Go refuses control characters.
  const odd = /[^\u0021-\u007e]/.exec(raw);
  if (odd !== null)
    return malformed(
      `the request target has a character that must be percent-encoded at position ${odd.index}`,
    );
  if (!raw.startsWith('/')) {
    return malformed(
      'the request target does not begin with "/"; a full URL or "*" is not taken here',
    );
  }
  const hash = raw.indexOf('#');
  if (hash >= 0) {
    return malformed(
      `the request target has a fragment ("#" at position ${hash}), which is never sent to a server`,
    );
  }
  const mark = raw.indexOf('?');
  const path = parsePath(mark < 0 ? raw : raw.slice(0, mark));
  if (!path.ok) return path;
  const query = parseQuery(mark < 0 ? '' : raw.slice(mark + 1));
  if (!query.ok) return query;
  return ok(rebuildTarget(path.value.segments, query.value, path.value.trailingSlash));
}

/**
 * A target built from decoded parts: for what `parseTarget` took apart, and for the gateway's own calls. Throws a
 * RangeError for a segment that could not be told from a separator or dot segment after decoding: that is a bug, since
 * names are checked where they are read.
 */
export function rebuildTarget(
  segments: readonly string[],
  query: readonly QueryPair[],
  trailingSlash = false,
): RequestTarget {
  for (const segment of segments) {
    const problem = segmentProblem(segment);
    if (problem !== null) throw new RangeError(`a path segment ${problem}`);
  }
  const slash = trailingSlash && keepsTrailingSlash(segments);
  const path = `/${segments.map(encodePart).join('/')}${slash ? '/' : ''}`;
  const pairs = query.map(({ name, value }) => `${encodePart(name)}=${encodePart(value)}`);
  const rebuilt = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
  return { segments, query, rebuilt, ...(slash ? { trailingSlash: true } : {}) };
}

/** The target without its first `count` segments (`/clusters/<name>`, `/s/<task>`), rebuilt. */
export function stripSegments(target: RequestTarget, count: number): RequestTarget {
  return rebuildTarget(target.segments.slice(count), target.query, target.trailingSlash === true);
}

/** The decoded path, as Go's `URL.Path` will hold it for `rebuilt`. */
export function targetPath(target: RequestTarget): string {
  return `/${target.segments.join('/')}${target.trailingSlash === true ? '/' : ''}`;
}

/**
 * Whether a trailing slash means something upstream. RequestInfo trims it and go-restful ignores it under `/api`,
 * `/apis` and `/version` (apiserver pkg/server/handler.go; go-restful `TrimRightSlashEnabled`): there it is dropped,
 * so that `…/exec/` and `…/exec` are one request. Behind `proxy` the service sees it, and every other path is matched
 * exactly by the API server's mux (`/healthz/` is no health check): there it is kept, and policy sees it in the path.
 */
function keepsTrailingSlash(segments: readonly string[]): boolean {
  const [first] = segments;
  if (first === undefined) return false;
  if (first === 'api' || first === 'apis') return segments.indexOf('proxy', 2) >= 0;
  return !(first === 'version' && segments.length === 1);
}

type ParsedPath = { readonly segments: readonly string[]; readonly trailingSlash: boolean };

function parsePath(raw: string): Result<ParsedPath, Refusal> {
  // Go's server never cleans `//` (404), while others read it as a host or as one slash.
  const double = raw.indexOf('//');
  if (double >= 0) return malformed(`the path has an empty segment ("//" at position ${double})`);
  const trailingSlash = raw.length > 1 && raw.endsWith('/');
  const inner = raw.slice(1, trailingSlash ? -1 : undefined);
  if (inner === '') return ok({ segments: [], trailingSlash: false });
  const segments: string[] = [];
  for (const part of inner.split('/')) {
    const decoded = decodePart(part);
    if (decoded === null) {
      return malformed(
        `path segment ${segments.length + 1} has a percent escape that is not valid UTF-8`,
      );
    }
    const problem = segmentProblem(decoded);
    if (problem !== null) return malformed(`path segment ${segments.length + 1} ${problem}`);
    segments.push(decoded);
  }
  return ok({ segments, trailingSlash });
}

/**
 * Why a decoded segment is refused, or null. Each of these is read differently by some hop: a decoded separator becomes
 * a real one (RequestInfo and the router work on the decoded path, so `x%2Fexec` is an exec), a backslash is a slash to
 * WHATWG parsers, `;` starts parameters for others, an escape inside the decoded text may be decoded once more.
 */
function segmentProblem(decoded: string): string | null {
  if (PLAIN.test(decoded)) return null;
  if (decoded === '') return 'is empty';
  if (decoded === '.' || decoded === '..') return 'is a dot segment';
  if (/[/\\]/.test(decoded)) return 'holds an encoded slash or a backslash';
  if (/\p{Cc}/u.test(decoded)) return 'holds a control character';
  if (decoded.includes(';')) return 'holds ";"';
  if (/%[0-9a-fA-F]{2}/.test(decoded)) return 'is percent-encoded twice';
  return null;
}

/**
 * Splits a query as Go's `url.ParseQuery` does: on `&` only, empty pieces skipped, name and value cut at the first
 * `=`, `+` is a space. A `;` or a bad escape makes Go drop the pair silently: here it is refused. Encoded control
 * characters are taken (an exec's argv may hold newlines), but not NUL, which ends strings for some readers.
 */
function parseQuery(raw: string): Result<readonly QueryPair[], Refusal> {
  const pieces = raw.split('&');
  if (pieces.length > queryPairsMax)
    return malformed(`the query has ${pieces.length} parameters, ${queryPairsMax} are taken`);
  const pairs: QueryPair[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (piece === '') continue;
    const where = `query parameter ${index + 1}`;
    if (piece.includes(';')) return malformed(`${where} holds ";"; separate parameters with "&"`);
    const equals = piece.indexOf('=');
    const name = decodeQueryPart(equals < 0 ? piece : piece.slice(0, equals));
    const value = decodeQueryPart(equals < 0 ? '' : piece.slice(equals + 1));
    if (name === null || value === null)
      return malformed(`${where} has a percent escape that is not valid UTF-8`);
    if (name.includes('\0') || value.includes('\0'))
      return malformed(`${where} holds a NUL character`);
    pairs.push({ name, value });
  }
  return ok(pairs);
}

const decodeQueryPart = (part: string): string | null => decodePart(part.replaceAll('+', ' '));

/** Percent-decodes strictly: null for a bad escape, and for bytes that are not UTF-8 (overlong forms, surrogates). */
function decodePart(part: string): string | null {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/**
 * Encodes a path segment, or a name or value of a query: everything but RFC 3986's unreserved characters, `!*'()`, and
 * `:`, which Go and kubectl write plainly too.
 */
const encodePart = (part: string): string =>
  PLAIN.test(part) ? part : encodeURIComponent(part).replaceAll('%3A', ':');

/** What most parts are: nothing in them can be encoded or misread, a leading dot aside. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
