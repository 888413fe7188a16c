import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../src/base/log.ts';
import { readMigrations } from '../../src/store/migrate.ts';
import { ensureMigrated, migrate, pendingMigrations } from '../../src/store/index.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

const shipped = fileURLToPath(new URL('../../migrations', import.meta.url));
let opened: TestStore;
let folder = '';
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 120_000);
afterAll(() => opened.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdgate-migrations-'));
  cpSync(shipped, folder, { recursive: true });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  const keep = (await readMigrations()).map((migration) => migration.tag);
  await opened.store.general.raw(
    (sql) =>
      sql`delete from holdgate_migrations where not tag = any(string_to_array(${keep.join(',')}, ','))`,
  );
});

const journalSchema = z.object({
  entries: z.array(
    z.object({
      idx: z.int(),
      version: z.string(),
      when: z.int(),
      tag: z.string(),
      breakpoints: z.boolean(),
    }),
  ),
});
type Journal = z.infer<typeof journalSchema>;
const journalFile = (): string => join(folder, 'meta', '_journal.json');
const readJournal = (): Journal =>
  journalSchema.parse(JSON.parse(readFileSync(journalFile(), 'utf8')));

/** Adds a migration behind the shipped ones. */
function add(text: string, more: Partial<Journal['entries'][number]> = {}): string {
  const journal = readJournal();
  const last = journal.entries.at(-1);
  const idx = (last?.idx ?? 0) + 1;
  const number = Number((last?.tag ?? '0000').slice(0, 4)) + 1;
  const tag = `${String(number).padStart(4, '0')}_test_${Math.random().toString(36).slice(2)}`;
  const when = (last?.when ?? 0) + 1;
  journal.entries.push({ idx, version: '7', when, tag, breakpoints: true, ...more });
  writeFileSync(journalFile(), JSON.stringify(journal));
  writeFileSync(join(folder, `${more.tag ?? tag}.sql`), text);
  return more.tag ?? tag;
}

describe('the shipped migrations', () => {
  test('are in order, and each file is in the journal', async () => {
    const tags = (await readMigrations()).map((migration) => migration.tag);
    const files = readdirSync(shipped).filter((file) => file.endsWith('.sql'));
    expect(files.toSorted()).toEqual(tags.map((tag) => `${tag}.sql`));
  });

  test('say why', async () => {
    const silent = (await readMigrations()).filter(({ text }) => !/^-- \S+/.test(text));
    expect(silent.map(({ tag }) => tag)).toEqual([]);
  });
});

describe('the journal', () => {
  test.each([
    { name: 'a time that does not grow', more: { when: 1 } },
    { name: 'a number that was left out', more: { idx: 99 } },
    { name: 'a name before the last one', more: { tag: '0000_early' } },
  ])('with $name is refused', async ({ more }) => {
    add('select 1', more);
    await expect(readMigrations(folder)).rejects.toThrow(/is out of order after/);
  });
});

describe('migrating', () => {
  test('applies each migration once', async () => {
    const tag = add('create table migrated_once (a int)');
    const { store } = opened;
    expect(await pendingMigrations(store, { log: silentLog, folder })).toEqual([tag]);
    expect(await migrate(store, { log: silentLog, folder })).toEqual([tag]);
    expect(await migrate(store, { log: silentLog, folder })).toEqual([]);
    expect(await pendingMigrations(store, { log: silentLog, folder })).toEqual([]);
  });

  test('is all or nothing', async () => {
    add('create table half_done (a int); select nope()');
    await expect(migrate(opened.store, { log: silentLog, folder })).rejects.toThrow(/nope/);
    const [row] = await opened.store.general.raw(
      (sql) => sql`select to_regclass('half_done') as table`,
    );
    expect(row).toEqual({ table: null });
  });

  test('refuses when an applied migration was changed', async () => {
    const file = join(folder, '0001_records.sql');
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n-- a small correction\n`);
    await expect(migrate(opened.store, { log: silentLog, folder })).rejects.toThrow(
      /0001_records\.sql is not the file that this database was made with/,
    );
  });

  test('refuses a migration that was put in before applied ones', async () => {
    const early = add('select 1');
    const late = add('select 2');
    const both = readFileSync(journalFile(), 'utf8');
    const journal = readJournal();
    journal.entries = journal.entries
      .filter((entry) => entry.tag !== early)
      .map((entry) => (entry.tag === late ? { ...entry, idx: entry.idx - 1 } : entry));
    writeFileSync(journalFile(), JSON.stringify(journal));
    await migrate(opened.store, { log: silentLog, folder });
    writeFileSync(journalFile(), both);
    await expect(migrate(opened.store, { log: silentLog, folder })).rejects.toThrow(
      /comes before .*: give it the next number/,
    );
  });

  test('leaves a database that is ahead as it is', async () => {
    add('select 1');
    await migrate(opened.store, { log: silentLog, folder });
    expect(await migrate(opened.store, { log: silentLog })).toEqual([]);
  });
});

describe('a start with pending migrations', () => {
  test('brings the embedded database up to date', async () => {
    const tag = add('select 1');
    await ensureMigrated(opened.store, { migrate: false, log: silentLog, folder });
    expect(await pendingMigrations(opened.store, { log: silentLog, folder })).not.toContain(tag);
  });

  test('on PostgreSQL is refused, and says what to run', async () => {
    const tag = add('select 1');
    const store = { general: opened.store.general, kind: 'postgres' } as const;
    const start = ensureMigrated(store, { migrate: false, log: silentLog, folder });
    await expect(start).rejects.toThrow(`(${tag}): back it up, then run holdgate migrate`);
    await ensureMigrated(store, { migrate: true, log: silentLog, folder });
    await ensureMigrated(store, { migrate: false, log: silentLog, folder });
  });
});
