import type { z } from 'zod';
import { schemasAt, shapeText, keysOf } from './schema-shape.ts';
import type { ConfigPath, Finding } from './problem.ts';

type Issue = z.core.$ZodIssue;

/**
 * zod's issues as findings: one for each key that a person has to change. A union says which of its forms the value
 * comes nearest to, instead of what is wrong with it in every form.
 */
export function explainIssues(issues: readonly Issue[], data: unknown): readonly Finding[] {
  return issues.flatMap((issue) => explain(issue, [], data));
}

function explain(issue: Issue, base: ConfigPath, data: unknown): readonly Finding[] {
  const path = [...base, ...issue.path.map(plainKey)];
  const value = valueAt(data, path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey(path, key));
  }
  if (value === undefined && path.length > 0) {
    const expected = shapeText(path);
    return [{ path, problem: 'is missing', expected, fix: 'add the key' }];
  }
  if (value === null) {
    const expected = shapeText(path);
    return [{ path, problem: 'is empty (null)', expected, fix: 'fill the key or remove it' }];
  }
  if (issue.code === 'invalid_union') return union(issue.errors, path, data);
  return [
    { path, problem: problemOf(issue, value), expected: shapeText(path), fix: 'change the value' },
  ];
}

function problemOf(issue: Issue, value: unknown): string {
  if (issue.code === 'invalid_type') return `is ${typeText(value)}`;
  return issue.code === 'invalid_value'
    ? 'is none of the values that may stand here'
    : issue.message;
}

const plainKey = (key: PropertyKey): string | number =>
  typeof key === 'number' ? key : String(key);

function union(
  branches: readonly (readonly Issue[])[],
  path: ConfigPath,
  data: unknown,
): readonly Finding[] {
  const value = valueAt(data, path);
  const expected = shapeText(path);
  if (typeof value !== 'object' || value === null) {
    return [{ path, problem: `is ${typeText(value)}`, expected, fix: 'change the value' }];
  }
  const ranked = branches
    .map((issues) => ({ issues, isOther: isOtherKind(issues), strangers: strangersIn(issues) }))
    .sort(
      (one, other) =>
        Number(one.isOther) - Number(other.isOther) || one.strangers - other.strangers,
    );
  const [nearest] = ranked;
  const keyCount = Object.keys(value).length;
  if (nearest === undefined || nearest.strangers >= keyCount) {
    const problem = keyCount === 0 ? 'is empty' : 'has none of the keys that belong here';
    return [{ path, problem, expected, fix: 'write exactly one of these forms' }];
  }
  // Of a kind that nothing has, the kind alone is to be mended first.
  const telling = nearest.isOther ? nearest.issues.filter(isOfOtherKind) : nearest.issues;
  return telling.flatMap((issue) => explain(issue, path, data));
}

/** Whether a form is that of another `kind`: what else is wrong with the value in it says nothing. */
const isOtherKind = (issues: readonly Issue[]): boolean => issues.some(isOfOtherKind);

const isOfOtherKind = ({ code, path }: Issue): boolean =>
  code === 'invalid_value' && path.length === 1 && path[0] === 'kind';

/** How many of the value's own keys a form does not know. */
function strangersIn(issues: readonly Issue[]): number {
  let count = 0;
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) count += issue.keys.length;
  }
  return count;
}

function unknownKey(path: ConfigPath, key: string): Finding {
  const keys = schemasAt(path).flatMap(keysOf);
  const known = [...new Set(keys)];
  const near = known.find((one) => one.toLowerCase().replaceAll('_', '') === squeezed(key));
  const close = near ?? known.find((one) => distance(one.toLowerCase(), key.toLowerCase()) <= 2);
  return {
    path: [...path, key],
    problem: 'is not a known key',
    expected: known.length === 0 ? '' : `one of ${known.join(', ')}`,
    fix: close === undefined ? 'remove it' : `did you mean ${close}?`,
  };
}

const squeezed = (key: string): string => key.toLowerCase().replaceAll(/[-_]/g, '');

/** Levenshtein distance: how many letters to change. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let left = 1; left <= one.length; left += 1) {
    const next = [left];
    for (let right = 1; right <= other.length; right += 1) {
      const same = one[left - 1] === other[right - 1] ? 0 : 1;
      const replace = (row[right - 1] ?? 0) + same;
      next.push(Math.min(replace, (row[right] ?? 0) + 1, (next[right - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

function typeText(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return `a ${typeof value}`;
}

/** The value at a path of parsed YAML; undefined where there is none. */
export function valueAt(data: unknown, path: ConfigPath): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}
