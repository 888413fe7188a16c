import type { StopSignal } from './stop-signal.ts';

/**
 * Calls `act` once when `signal` aborts; at once where it has. A listener alone waits for ever when the client left a
 * moment before it was added.
 */
export function whenAborted(signal: StopSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', () => act(), { once: true });
}
