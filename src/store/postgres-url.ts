import { Secret } from '../base/secret.ts';
import { unavailable } from './failure.ts';

export type PostgresTarget = {
  readonly url: Secret;
  /** What no error text may show: the URL and its password. */
  readonly secrets: readonly string[];
};

/**
 * Checks a PostgreSQL URL without ever quoting it: Node's own error for a bad URL carries the whole text,
 * password included. Throws a DependencyError that says how a URL looks. Parameters named in `ours` are left out: the
 * gateway sets them itself.
 */
export function parsePostgresUrl(url: Secret, ours: readonly string[] = []): PostgresTarget {
  const text = url.reveal().trim();
  // A URL may name several hosts (`host1:5432,host2:5432`), which the URL standard does not know.
  const single = text.replace(/^([a-z]+:\/\/(?:[^/?#@]*@)?[^/?#,]*),[^/?#]*/, '$1');
  if (!URL.canParse(single)) {
    throw unavailable(
      'database.url is no URL; write postgres://user:password@host:5432/database, with special characters of the password percent-encoded',
      null,
    );
  }
  const parsed = new URL(single);
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') {
    throw unavailable(
      `database.url begins with ${parsed.protocol}//; write postgres://user:password@host:5432/database`,
      null,
    );
  }
  const passwords = [parsed.password, parsed.searchParams.get('password') ?? ''];
  const secrets = passwords.flatMap((password) => [password, decode(password)]);
  const clean = withoutParameters(text, new Set(ours.map((name) => name.toLowerCase())));
  return { url: new Secret(clean), secrets: [text, ...secrets].filter((part) => part !== '') };
}

/** postgres.js lets a parameter of the URL win over the same one among its options. */
function withoutParameters(text: string, names: ReadonlySet<string>): string {
  const at = text.indexOf('?');
  if (at === -1) return text;
  const kept = text
    .slice(at + 1)
    .split('&')
    .filter((pair) => !names.has(decode(pair.split('=', 1)[0] ?? '').toLowerCase()));
  return kept.length === 0 ? text.slice(0, at) : `${text.slice(0, at)}?${kept.join('&')}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
