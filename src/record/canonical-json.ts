import { keptTextOf } from '../base/constant.ts';
import { cutText } from './cut-text.ts';
import { shapeOf } from './key-order.ts';

/**
 * Canonical JSON (RFC 8785): no white space, keys sorted by UTF-16 units (§3.2.3), so that equal values have equal bytes.
 * Beyond it: undefined members are left out, bigints are written as numbers, what JSON has no number for is null, and texts
 * longer than `textCharsMax` are cut with a mark, so that nothing a caller sends can grow a leaf without bound.
 */
export function canonicalJson(value: unknown, textCharsMax: number): string {
  switch (typeof value) {
    case 'string':
      return jsonText(value, textCharsMax);
    case 'number':
      return Number.isFinite(value) ? `${value}` : 'null';
    case 'bigint':
      return value.toString();
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value)
        ? arrayJson(value, textCharsMax)
        : objectJson(value, textCharsMax);
    default:
      return 'null';
  }
}

/**
 * The members of an object as canonical JSON in sections, so that members with the keys `bounds` (sorted, at least one) can
 * be put in later without writing these again: the first section holds the keys up to `bounds[0]`, the next those up to
 * `bounds[1]`, the last those after all bounds. Each member has a comma behind it; those of the last section before it.
 */
export function canonicalSections(
  value: object,
  bounds: readonly string[],
  textCharsMax: number,
): string[] {
  const { names, starts, nextStarts } = shapeOf(Object.keys(value), textCharsMax);
  const members = membersOf(value);
  const sections: string[] = [];
  let section = '';
  let bound = bounds[0];
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index] ?? '';
    const member = members[name];
    if (member === undefined) continue;
    while (bound !== undefined && cutText(name, textCharsMax) > bound) {
      sections.push(section);
      section = '';
      bound = bounds[sections.length];
    }
    section += (bound === undefined ? nextStarts[index] : starts[index]) ?? '';
    section += canonicalJson(member, textCharsMax);
    if (bound !== undefined) section += ',';
  }
  for (; sections.length < bounds.length; section = '') sections.push(section);
  sections.push(section);
  return sections;
}

function objectJson(value: object, textCharsMax: number): string {
  const kept = keptTextOf(value);
  if (kept === undefined) return membersJson(value, textCharsMax);
  if (kept.text === null || kept.textCharsMax !== textCharsMax) {
    kept.text = membersJson(value, textCharsMax);
    kept.textCharsMax = textCharsMax;
  }
  return kept.text;
}

function membersJson(value: object, textCharsMax: number): string {
  const { names, starts, nextStarts } = shapeOf(Object.keys(value), textCharsMax);
  const members = membersOf(value);
  let text = '';
  for (let index = 0; index < names.length; index += 1) {
    const member = members[names[index] ?? ''];
    if (member === undefined) continue;
    text += (text === '' ? starts[index] : nextStarts[index]) ?? '';
    text += canonicalJson(member, textCharsMax);
  }
  return text === '' ? '{}' : `{${text}}`;
}

function arrayJson(items: readonly unknown[], textCharsMax: number): string {
  if (items.length === 0) return '[]';
  let text = `[${canonicalJson(items[0], textCharsMax)}`;
  for (let index = 1; index < items.length; index += 1) {
    text += `,${canonicalJson(items[index], textCharsMax)}`;
  }
  return `${text}]`;
}

function jsonText(text: string, textCharsMax: number): string {
  const kept = cutText(text, textCharsMax);
  return isPlain(kept) ? `"${kept}"` : JSON.stringify(kept);
}

/** Longer texts are left to `JSON.stringify`, which looks at more than one unit at a time. */
const plainCharsMax = 128;

/**
 * True where JSON writes a text as itself: no quotes, backslashes, controls, and no surrogates, of which `JSON.stringify`
 * escapes the halves that stand alone. Nearly every text of a record is such a one; a loop finds it sooner than a
 * regular expression does.
 */
function isPlain(text: string): boolean {
  if (text.length > plainCharsMax) return false;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || unit >= 0xd800) return false;
  }
  return true;
}

/** The same object, for reading its own enumerable members by name. */
function membersOf(value: object): Readonly<Record<string, unknown>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any object has members of unknown types by name
  return value as Record<string, unknown>;
}
