/** Waits after failures double from the first to the last. Milliseconds. */
const backoffMsMin = 1000;
const backoffMsMax = 60_000;
const doublingsMax = 16;

/** What a sink may ask for with Retry-After. Milliseconds. */
const retryAfterMsMax = 300_000;

/**
 * How long to wait after a failure that `failures` others came before in a row. `random` (0 to 1) takes up to half of it off, so
 * that many who failed at once do not come back at once; what the sink asked for is waited for in any case. Milliseconds.
 */
export function nextTryMs(failures: number, retryAfterMs: number | null, random: number): number {
  const ceilingMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(failures, doublingsMax));
  const backoffMs = ceilingMs * (0.5 + random / 2);
  return Math.max(backoffMs, Math.min(retryAfterMs ?? 0, retryAfterMsMax));
}
