type Header = readonly [string, string];

/**
 * Request headers that may reach the cluster: what content negotiation, caching and tracing need, nothing that speaks of
 * identity. Everything else a client sends is dropped, whatever its spelling.
 */
const ALLOWED = new Set([
  'accept',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'kubectl-command',
  'kubectl-session',
  'traceparent',
  'tracestate',
  'user-agent',
]);

/** RFC 9110 §7.6.1, and what older clients and proxies treat alike. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Answer headers that are the gateway's own business, or would set state for its origin. */
const ANSWER_DROPPED = new Set([
  ...HOP_BY_HOP,
  'alt-svc',
  'set-cookie',
  'strict-transport-security',
]);

/** RFC 9110 §5.5: visible characters, space and tab; anything else could end the field or the head. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/;

/** Names that a Connection header lists: they belong to one hop, and are removed first (CVE-2021-31999). */
function listedByConnection(rawHeaders: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'connection') continue;
    for (const name of (rawHeaders[at + 1] ?? '').split(',')) names.add(name.trim().toLowerCase());
  }
  return names;
}

/**
 * The headers of a client's request that go upstream, names in lower case. An allow-list, with hop-by-hop headers and
 * those that Connection names removed first. Repeated Accept lines are joined (RFC 9110 §5.3).
 */
export function upstreamHeaders(rawHeaders: readonly string[]): readonly Header[] {
  const hop = listedByConnection(rawHeaders);
  const kept = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = rawHeaders[at + 1] ?? '';
    if (!ALLOWED.has(name) || HOP_BY_HOP.has(name) || hop.has(name)) continue;
    if (UNSAFE_VALUE.test(value)) continue;
    const before = kept.get(name);
    kept.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return [...kept];
}

/** The headers of the cluster's answer that reach the client. */
export function answerHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): readonly Header[] {
  const kept: Header[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (value === undefined || lower.startsWith(':') || ANSWER_DROPPED.has(lower)) continue;
    for (const one of typeof value === 'string' ? [value] : value) kept.push([lower, one]);
  }
  return kept;
}
