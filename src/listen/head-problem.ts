import { refusal, type Refusal } from '../base/errors.ts';
import { headerBytesMax } from '../base/limits.ts';

/**
 * Headers that may stand once. Node keeps the first of some and joins others: what we read and what the cluster or a
 * proxy before us reads could differ (request smuggling, two credentials).
 */
const SINGLE = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'transfer-encoding',
  'upgrade',
]);

/** What is wrong with a request's raw headers; null where nothing is. */
export function headProblem(rawHeaders: readonly string[]): Refusal | null {
  const seen: string[] = [];
  let bytes = 0;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    bytes += name.length + (rawHeaders[at + 1] ?? '').length;
    if (!SINGLE.has(name)) continue;
    if (seen.includes(name)) {
      return refusal(
        'HOLDGATE_LISTEN_HEADER_REPEATED',
        `the header "${name}" stands more than once`,
      );
    }
    seen.push(name);
  }
  if (bytes <= headerBytesMax) return null;
  return refusal('HOLDGATE_LISTEN_HEADERS_TOO_LARGE', `the request's headers have ${bytes} bytes`);
}
