import { createHash } from 'node:crypto';
import type { Identity } from '../identify/index.ts';
import { sortedQuery } from '../kube/query-values.ts';
import type { RequestTarget } from '../kube/request.ts';

/** What an approval is bound to: design §4.5. */
export type DigestParts = {
  readonly cluster: string;
  /** Where the cluster is: the same name with another server behind it is another cluster. */
  readonly server: string;
  readonly identity: Pick<Identity, 'issuer' | 'subject' | 'actor'>;
  readonly method: string;
  readonly target: RequestTarget;
  readonly contentType: string;
  readonly body: Buffer;
  /** The uids of the objects that the request is about, as they are now. */
  readonly uids: readonly string[];
};

const version = 'holdgate-request-digest-v2';

/** How long the client waits says nothing of what it asks for: a second try with another timeout is the same request. */
const ADVISORY = new Set(['timeout']);

/**
 * The digest of a request, `sha256:<hex>`: fields with their length before each, so that no two requests run together
 * to the same bytes. User-Agent, request ids, Accept and timeouts are not in it: they may differ between two tries.
 */
export function requestDigest(parts: DigestParts): string {
  const hash = createHash('sha256');
  const add = (field: string | Buffer): void => {
    const bytes = typeof field === 'string' ? Buffer.from(field) : field;
    hash.update(`${bytes.length}:`);
    hash.update(bytes);
  };
  const list = (fields: readonly string[]): void => {
    add(String(fields.length));
    for (const field of fields) add(field);
  };
  const { identity, target } = parts;
  list([version, parts.cluster, parts.server, identity.issuer, identity.subject]);
  list(identity.actor.flatMap((one) => [one.issuer, one.subject]));
  add(parts.method);
  list(target.segments);
  // What goes through a proxy is read by whoever stands behind it: there every parameter may mean something.
  const isProxied = target.segments.includes('proxy');
  const pairs = sortedQuery(target.query.filter((pair) => isProxied || !ADVISORY.has(pair.name)));
  list(pairs.flatMap((pair) => [pair.name, pair.value]));
  add(parts.contentType);
  add(parts.body);
  list(parts.uids);
  return `sha256:${hash.digest('hex')}`;
}
