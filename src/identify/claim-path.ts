/** Claims of a verified token: JSON, nothing known of its shape. */
export type Claims = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Claims =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The value at a claim path, or undefined. A dot descends (`realm_access.roles`); since claim names may contain dots
 * themselves (`https://example.com/roles`, `kubernetes.io`), the longest name that exists at each level is taken.
 * Only own properties count: `constructor` and `__proto__` are claims like any other.
 */
export function claimAt(claims: Claims, path: string): unknown {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const name = path.slice(0, end);
    if (!Object.hasOwn(claims, name)) continue;
    const value = claims[name];
    if (end === path.length) return value;
    return isObject(value) ? claimAt(value, path.slice(end + 1)) : undefined;
  }
  return undefined;
}
