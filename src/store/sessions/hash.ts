import { createHash } from 'node:crypto';

/** 32 hexadecimal digits that stand for a list of texts; two lists never run together, as `ab`,`c` and `a`,`bc` would. */
export function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
