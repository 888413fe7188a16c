/** Names longer than this are refused: no identity provider has them, and each is stored in every record. */
export const nameCharactersMax = 256;

/**
 * Text of a token for a message: quoted, cut to 120 characters, everything outside printable ASCII escaped, so that
 * no claim can move a terminal's cursor or forge a line of a log.
 */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  const cut = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  const plain = cut.replaceAll(
    /[^\x20-\x7e…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${plain.replaceAll('"', String.raw`\"`)}"`;
}

/** True for a name that may identify somebody: not empty, bounded, no control or format characters, no edge spaces. */
export function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= nameCharactersMax &&
    value.trim() === value &&
    !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)
  );
}

/** Seconds since the epoch as RFC 3339; empty for what is no such time. */
export function rfc3339(seconds: unknown): string {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return '';
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString().replace('.000Z', 'Z');
}
