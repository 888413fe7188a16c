import { isKnownParameter, redactedValue } from './known-parameters.ts';

/** How much of a raw target a record keeps: enough to recognise it, too little to fill the database. Characters. */
export const recordedTargetCharsMax = 4096;

/**
 * A raw request target as records keep it, whether or not it could be parsed: printable ASCII only (anything else would let
 * a caller write terminal escapes and line breaks into logs), values of unknown query parameters and of `command`
 * replaced, credentials of an absolute form removed, and cut with the number of characters left out.
 */
export function targetForRecord(raw: string): string {
  if (raw.length <= recordedTargetCharsMax && PLAIN_PATH.test(raw)) return raw;
  const anonymous = raw.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/?#]*@/i, `$1//${redactedValue}@`);
  const queryAt = anonymous.search(/[?#]/);
  if (queryAt === -1) return cut(printable(anonymous));
  const path = anonymous.slice(0, queryAt);
  const query = anonymous.slice(queryAt + 1);
  // A fragment or a second question mark is refused by the parser; its text is a value like any other here.
  const pairs = query.split(/[&;#]/, pairsMax + 1);
  const shown = pairs.slice(0, pairsMax).map(redactPair);
  if (pairs.length > pairsMax) shown.push('...');
  return cut(printable(`${path}${anonymous[queryAt]}${shown.join('&')}`));
}

/** What most targets are: one slash, then printable ASCII without a query or a fragment. Nothing in it is replaced. */
const PLAIN_PATH = /^\/(?:[\x21\x22\x24-\x2e\x30-\x3e\x40-\x7e][\x21\x22\x24-\x3e\x40-\x7e]*)?$/;

/** A query has fewer parameters than this, or is cut. */
const pairsMax = 256;

function redactPair(pair: string): string {
  const at = pair.indexOf('=');
  if (at === -1) return isKnownParameter(pair) || pair === '' ? pair : redactedValue;
  const name = pair.slice(0, at);
  // `%63ommand` is `command` to the API server; a name that needs decoding is never one that is kept.
  return isKnownParameter(name) ? pair : `${name}=${redactedValue}`;
}

function printable(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, (character) => {
    const bytes = Buffer.from(character, 'utf8');
    return [...bytes]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join('');
  });
}

function cut(text: string): string {
  if (text.length <= recordedTargetCharsMax) return text;
  const left = text.length - recordedTargetCharsMax;
  return `${text.slice(0, recordedTargetCharsMax)}...(+${left})`;
}
