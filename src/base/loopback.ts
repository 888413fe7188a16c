import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * True for a host that never leaves the machine: `localhost` (RFC 6761 §6.3), 127.0.0.0/8 and ::1, with or without
 * brackets. Any other name is false, whatever it resolves to: names can be made to resolve to anything.
 */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost') return true;
  const version = isIP(bare);
  return version !== 0 && loopback.check(bare, version === 4 ? 'ipv4' : 'ipv6');
}

/**
 * What is wrong with a URL from which something secret or trusted is fetched, or null. Only https is taken, or http
 * to the machine itself: over plain http anybody on the way could hand out keys of their own. User and password in a
 * URL end up in logs, and a fragment is never sent.
 */
export function trustedUrlProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) return 'is no URL';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    return 'must be an https URL (http is taken for loopback addresses only)';
  }
  if (url.username !== '' || url.password !== '') return 'must not contain a user or a password';
  if (url.hash !== '') return 'must not contain a fragment';
  return null;
}
