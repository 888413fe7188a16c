import type { QueryPair } from './request.ts';

/**
 * Query parameters as the API server decodes them into options (apimachinery pkg/runtime/conversion.go): for scalars
 * the first value counts, names are case-sensitive.
 */

/** All values of a parameter, in order. */
export function queryValues(query: readonly QueryPair[], name: string): readonly string[] {
  return query.filter((pair) => pair.name === name).map((pair) => pair.value);
}

/** The first value of a parameter; empty where it is missing. */
export function queryText(query: readonly QueryPair[], name: string): string {
  return query.find((pair) => pair.name === name)?.value ?? '';
}

/** The pairs ordered by name. The sort is stable: the order of repeated names (an argv) counts, and stays. */
export function sortedQuery(query: readonly QueryPair[]): readonly QueryPair[] {
  return query.toSorted((one, other) =>
    one.name < other.name ? -1 : one.name > other.name ? 1 : 0,
  );
}

/**
 * `Convert_Slice_string_To_bool`: false where the parameter is absent, `0` or `false` in any case; everything else, the
 * empty string included, is true. Go's EqualFold folds by Unicode, so `fal\u017fe` (a long s) is false as well: the
 * regular expression's `iu` flags fold the same way.
 */
export function queryBool(query: readonly QueryPair[], name: string): boolean {
  const value = query.find((pair) => pair.name === name)?.value;
  return value !== undefined && valueIsTrue(value);
}

/** The rule of `queryBool` for a value that is there. */
export function valueIsTrue(value: string): boolean {
  return value !== '0' && !/^false$/iu.test(value);
}

const INT64_MAX = 9_223_372_036_854_775_807n;

/** Go's `strconv.ParseInt(value, 10, 64)`: optional sign, decimal digits, no underscore, no space. Null: it fails. */
export function parseInt64(value: string): bigint | null {
  if (!/^[-+]?\d{1,400}$/.test(value)) return null;
  const number = BigInt(value.startsWith('+') ? value.slice(1) : value);
  return number <= INT64_MAX && number >= -INT64_MAX - 1n ? number : null;
}
