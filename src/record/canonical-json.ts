/** What stands at the end of a text that was cut, with the number of UTF-16 units left out. */
const cutMark = (left: number): string => `…(+${left})`;

/**
 * Canonical JSON (RFC 8785): no white space, keys sorted by UTF-16 units, so that equal values have equal bytes. Beyond it:
 * undefined members are left out, bigints are written as numbers, what JSON has no number for is null, and texts longer
 * than `textCharsMax` are cut with a mark, so that nothing a caller sends can grow a leaf without bound.
 */
export function canonicalJson(value: unknown, textCharsMax: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(cut(value, textCharsMax));
    case 'number':
      return Number.isFinite(value) ? JSON.stringify(value) : 'null';
    case 'bigint':
      return value.toString();
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      return 'null';
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    return `[${value.map((item) => canonicalJson(item, textCharsMax)).join(',')}]`;
  }
  return joinMembers(canonicalMembers(value, textCharsMax));
}

/** A member of an object: its key, and `"key":value` as canonical JSON. */
export type CanonicalMember = { readonly key: string; readonly text: string };

/** The members of an object, so that others can be added to them without writing these again. */
export function canonicalMembers(value: object, textCharsMax: number): CanonicalMember[] {
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => {
      const key = cut(name, textCharsMax);
      return { key, text: `${JSON.stringify(key)}:${canonicalJson(member, textCharsMax)}` };
    });
}

/** Members as one canonical object; the default order of strings is by UTF-16 units, as RFC 8785 §3.2.3 has it. */
export function joinMembers(members: readonly CanonicalMember[]): string {
  const sorted = members.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return `{${sorted.map((member) => member.text).join(',')}}`;
}

function cut(text: string, textCharsMax: number): string {
  if (text.length <= textCharsMax) return text;
  const kept = text.slice(0, textCharsMax);
  return `${kept}${cutMark(text.length - textCharsMax)}`;
}
