import { watch, type FSWatcher } from 'node:fs';

/** Saves of several files at once are loaded together. Milliseconds. */
const settleMs = 100;

/** Watching misses some file systems (network, bind mounts), so the path is looked at as well. Milliseconds. */
const pollMs = 5000;
/** Where it cannot be watched at all. Milliseconds. */
const unwatchedPollMs = 1000;

/**
 * Calls `look` soon after something changed in a folder (with `recursive` also below it), and every five seconds; every
 * second where the folder cannot be watched. Never keeps the process alive. The answer ends it.
 */
export function watchPath(folder: string, recursive: boolean, look: () => unknown): () => void {
  let settle: NodeJS.Timeout | null = null;
  let watcher: FSWatcher | null = null;
  const changed = (): void => {
    if (settle !== null) clearTimeout(settle);
    settle = setTimeout(() => void look(), settleMs);
    settle.unref();
  };
  let poll: NodeJS.Timeout | null = null;
  const pollEvery = (ms: number): void => {
    if (poll !== null) clearInterval(poll);
    poll = setInterval(() => void look(), ms);
    poll.unref();
  };
  const unwatch = (): void => {
    watcher?.close();
    watcher = null;
  };
  try {
    watcher = watch(folder, { recursive, persistent: false });
    watcher.on('change', changed);
    watcher.on('error', () => {
      if (watcher === null) return;
      unwatch();
      pollEvery(unwatchedPollMs);
    });
    pollEvery(pollMs);
  } catch {
    // Not supported here: the poll sees the change.
    pollEvery(unwatchedPollMs);
  }
  return () => {
    unwatch();
    if (poll !== null) clearInterval(poll);
    if (settle !== null) clearTimeout(settle);
  };
}
