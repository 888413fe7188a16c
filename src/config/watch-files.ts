import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemSchedule, type Schedule } from '../base/clock.ts';

/** What the watcher needs of the machine. */
export type WatchPorts = {
  readonly schedule: Schedule;
  /** What a file looks like from outside; another text where it was written, replaced or removed. */
  readonly stamp: (file: string) => Promise<string>;
  /** Tells of whatever happens in a directory; throws where that cannot be had. The answer ends it. */
  readonly observe: (directory: string, onEvent: () => void) => () => void;
};

export type FileWatch = {
  /** Forgets what was seen, so that `onChange` is called again within a second: what it did has failed. */
  readonly again: () => void;
  readonly close: () => void;
};

/** A save is taken when the files looked the same for this long: half a write is not loaded. Milliseconds. */
const settleMs = 100;

/** Watching misses some file systems (network, bind mounts) and far ends of links, so files are looked at as well. Milliseconds. */
const pollMs = 1000;

/**
 * Calls `onChange` when one of `files` changed, once for what was saved together, and once at the beginning: what was
 * saved while the process started was seen by nobody. Directories are watched, not files: an editor replaces a file by
 * renaming another over it, and a mounted ConfigMap swaps a link beside it (`..data`).
 */
export function watchFiles(
  files: () => readonly string[],
  onChange: () => void,
  ports: WatchPorts = systemPorts,
): FileWatch {
  const watched = new Watch(files, onChange, ports);
  watched.start();
  return { again: () => watched.again(), close: () => watched.close() };
}

class Watch {
  readonly #files: () => readonly string[];
  readonly #onChange: () => void;
  readonly #ports: WatchPorts;
  readonly #directories = new Map<string, () => void>();
  /** What was last told of; empty for nothing yet. */
  #told = '';
  #cancelPoll: () => void = () => {};
  #cancelSettle: (() => void) | null = null;
  #closed = false;

  constructor(files: () => readonly string[], onChange: () => void, ports: WatchPorts) {
    this.#files = files;
    this.#onChange = onChange;
    this.#ports = ports;
  }

  start(): void {
    this.#observe();
    this.#poll();
    void this.#look();
  }

  again(): void {
    this.#told = '';
  }

  close(): void {
    this.#closed = true;
    this.#cancelPoll();
    this.#cancelSettle?.();
    for (const end of this.#directories.values()) end();
    this.#directories.clear();
  }

  #poll(): void {
    this.#cancelPoll = this.#ports.schedule(pollMs, () => {
      this.#observe();
      void this.#look();
      this.#poll();
    });
  }

  /** Watches the directories of the files that count now: a configuration may name others than the one before. */
  #observe(): void {
    const wanted = new Set(this.#files().map((file) => dirname(file)));
    for (const [directory, end] of this.#directories) {
      if (wanted.has(directory)) continue;
      end();
      this.#directories.delete(directory);
    }
    for (const directory of wanted) {
      if (this.#directories.has(directory)) continue;
      try {
        this.#directories.set(
          directory,
          this.#ports.observe(directory, () => void this.#look()),
        );
      } catch {
        // Not to be had here, or not there yet: the poll sees the change, and tries again.
      }
    }
  }

  /** Tells when what is seen is new and stays as it is while it settles. */
  async #look(): Promise<void> {
    if (this.#cancelSettle !== null || this.#closed) return;
    // Set before the first wait: events come in crowds.
    this.#cancelSettle = () => {};
    const seen = await this.#stamps();
    if (this.#closed || seen === this.#told) {
      this.#cancelSettle = null;
      return;
    }
    this.#cancelSettle = this.#ports.schedule(settleMs, () => void this.#settle(seen));
  }

  async #settle(before: string): Promise<void> {
    const seen = await this.#stamps();
    this.#cancelSettle = null;
    if (this.#closed) return;
    if (seen !== before) return this.#look();
    this.#told = seen;
    this.#onChange();
  }

  async #stamps(): Promise<string> {
    const files = this.#files();
    const stamps = await Promise.all(files.map((file) => this.#ports.stamp(file)));
    return files.map((file, index) => `${file} ${stamps[index]}`).join('\n');
  }
}

const systemPorts: WatchPorts = {
  schedule: systemSchedule,
  stamp: async (file) => {
    try {
      // Follows links: what counts is the file at their end.
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join('-');
    } catch (cause) {
      return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    }
  },
  observe: (directory, onEvent) => {
    const watcher = watch(directory, { persistent: false });
    watcher.on('change', onEvent).on('error', () => watcher.close());
    return () => watcher.close();
  },
};
