import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { watchFiles, type WatchPorts } from '../../src/config/watch-files.ts';
import { createManualTime } from '../support/manual-time.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

/** Files, directories and time that a test moves. */
function world(files: readonly string[] = ['/etc/holdgate/holdgate.yaml']) {
  const time = createManualTime();
  const stamps = new Map<string, string>();
  const observed = new Map<string, () => void>();
  const named = { files, canObserve: true };
  let told = 0;
  const ports: WatchPorts = {
    schedule: time.schedule,
    stamp: (file) => Promise.resolve(stamps.get(file) ?? 'first'),
    observe: (directory, onEvent) => {
      if (!named.canObserve) throw new Error('no watches here');
      observed.set(directory, onEvent);
      return () => observed.delete(directory);
    },
  };
  const watched = watchFiles(
    () => named.files,
    () => {
      told += 1;
    },
    ports,
  );
  closing.push(() => watched.close());
  /** Moves time in small steps, and lets what waits for stamps go on. */
  const advance = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10) {
      time.advance(10);
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    }
  };
  return {
    advance,
    named,
    observed,
    watched,
    pending: time.pending,
    told: () => told,
    save: (file: string, stamp: string): void => {
      stamps.set(file, stamp);
      observed.get(dirname(file))?.();
    },
  };
}

const FILE = '/etc/holdgate/holdgate.yaml';

describe('a watch', () => {
  test('tells once at its beginning, and then of nothing while nothing changes', async () => {
    const one = world();
    await one.advance(200);
    expect(one.told()).toBe(1);
    await one.advance(5000);
    expect(one.told()).toBe(1);
  });

  test('tells of a save within 200 ms, by the event of its directory', async () => {
    const one = world();
    await one.advance(200);
    one.save(FILE, 'second');
    await one.advance(200);
    expect(one.told()).toBe(2);
  });

  test('tells of a save within 1.2 s where no event comes', async () => {
    const one = world();
    one.named.canObserve = false;
    one.observed.clear();
    await one.advance(200);
    one.save(FILE, 'second');
    await one.advance(1200);
    expect(one.told()).toBe(2);
  });

  test('tells once of many writes, when they are over', async () => {
    const one = world();
    await one.advance(200);
    for (let write = 0; write < 20; write += 1) {
      one.save(FILE, `write ${write}`);
      await one.advance(50);
    }
    expect(one.told()).toBe(1);
    await one.advance(200);
    expect(one.told()).toBe(2);
  });

  test('is not kept from telling by events of other files', async () => {
    const one = world();
    await one.advance(200);
    one.save(FILE, 'second');
    for (let event = 0; event < 20; event += 1) {
      one.save('/etc/holdgate/gateway.log', `line ${event}`);
      await one.advance(10);
    }
    expect(one.told()).toBe(2);
  });

  test('follows the files that count now, and lets go of directories that hold none', async () => {
    const one = world();
    await one.advance(200);
    one.named.files = [FILE, '/var/ca/ca.crt'];
    await one.advance(1500);
    expect([...one.observed.keys()]).toEqual(['/etc/holdgate', '/var/ca']);
    const before = one.told();
    one.save('/var/ca/ca.crt', 'second');
    await one.advance(200);
    expect(one.told()).toBe(before + 1);
    one.named.files = [FILE];
    await one.advance(1500);
    expect([...one.observed.keys()]).toEqual(['/etc/holdgate']);
  });

  test('tells again within 1.2 s where asked to, though nothing changed', async () => {
    const one = world();
    await one.advance(200);
    one.watched.again();
    await one.advance(1200);
    expect(one.told()).toBe(2);
  });

  test('tells of nothing after its close, and leaves no timer and no watch behind', async () => {
    const one = world();
    await one.advance(200);
    one.save(FILE, 'second');
    one.watched.close();
    await one.advance(3000);
    expect(one.told()).toBe(1);
    expect(one.pending()).toEqual([]);
    expect(one.observed.size).toBe(0);
  });
});

describe('on the real file system, a watch sees', () => {
  const makeDirectory = (): string => {
    const directory = mkdtempSync(join(tmpdir(), 'holdgate-watch-'));
    closing.push(() => rmSync(directory, { recursive: true }));
    return directory;
  };
  const watchReal = async (file: string): Promise<() => number> => {
    let told = 0;
    const watched = watchFiles(
      () => [file],
      () => {
        told += 1;
      },
    );
    closing.push(() => watched.close());
    await vi.waitFor(() => expect(told).toBe(1), 5000);
    return () => told;
  };

  test('a file that another is renamed over', async () => {
    const directory = makeDirectory();
    const file = join(directory, 'holdgate.yaml');
    writeFileSync(file, 'one');
    const told = await watchReal(file);
    writeFileSync(`${file}.new`, 'two');
    renameSync(`${file}.new`, file);
    await vi.waitFor(() => expect(told()).toBe(2), 5000);
  });

  test('a mounted ConfigMap whose ..data link is swapped', async () => {
    const directory = makeDirectory();
    for (const version of ['..v1', '..v2']) {
      mkdirSync(join(directory, version));
      writeFileSync(join(directory, version, 'holdgate.yaml'), version);
    }
    symlinkSync('..v1', join(directory, '..data'));
    symlinkSync('..data/holdgate.yaml', join(directory, 'holdgate.yaml'));
    const told = await watchReal(join(directory, 'holdgate.yaml'));
    symlinkSync('..v2', join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    await vi.waitFor(() => expect(told()).toBe(2), 5000);
  });

  test('a file that is removed and comes back', async () => {
    const directory = makeDirectory();
    const file = join(directory, 'holdgate.yaml');
    writeFileSync(file, 'one');
    const told = await watchReal(file);
    rmSync(file);
    await vi.waitFor(() => expect(told()).toBe(2), 5000);
    writeFileSync(file, 'one');
    await vi.waitFor(() => expect(told()).toBe(3), 5000);
  });
});
