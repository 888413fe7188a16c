import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sql, TransactionSql } from 'postgres';
import { z } from 'zod';
import { DependencyError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { RawRunner, Store } from './store.ts';

/** A migration as it lies in the folder. */
type Migration = {
  readonly tag: string;
  /** Milliseconds since the epoch, from the journal: only grows. */
  readonly when: number;
  readonly text: string;
  /** SHA-256 of the text, hex. */
  readonly hash: string;
};

/** What is read of drizzle's journal. */
const journalSchema = z.object({
  entries: z.array(z.object({ idx: z.int(), when: z.int(), tag: z.string() })),
});

/** The folder that is shipped beside `src` and `dist`. */
const shippedFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** 'hold' in ASCII, and 2 for migrations: a lock that nothing else takes. */
const lockKey = [1_752_132_708, 2] as const;

/** A migration of a large table takes long; whoever runs it can stop it. Milliseconds. */
const migrateTimeoutMs = 3_600_000;

/**
 * Reads drizzle's journal and the files that it names. Throws when the journal is not in order: a `when` that does not
 * grow would be skipped by drizzle's own tools, a number that does not would hide a file.
 */
export async function readMigrations(folder: string = shippedFolder): Promise<Migration[]> {
  const text = await readFile(join(folder, 'meta', '_journal.json'), 'utf8');
  const journal = journalSchema.parse(JSON.parse(text));
  const migrations: Migration[] = [];
  let last = { idx: 0, when: 0, tag: '' };
  for (const entry of journal.entries) {
    if (entry.idx !== last.idx + 1 || entry.when <= last.when || entry.tag <= last.tag) {
      throw new Error(
        `migrations/meta/_journal.json: ${entry.tag} is out of order after ${last.tag === '' ? 'the start' : last.tag}; idx must count from 1, when and tag must grow`,
      );
    }
    const { tag, when } = entry;
    const sql = await readFile(join(folder, `${tag}.sql`), 'utf8');
    const hash = createHash('sha256').update(sql).digest('hex');
    migrations.push({ tag, when, text: sql, hash });
    last = entry;
  }
  return migrations;
}

/**
 * Brings the database to the newest migration, all pending ones in one transaction under an advisory lock, and resolves
 * with the tags that it applied. Rejects when an applied migration was changed since (drizzle's own migrator compares
 * nothing and takes no lock). A database that is ahead is left as it is: migrations only add, so that the previous
 * version runs on during a rolling update.
 */
export async function migrate(
  store: Pick<Store, 'general'>,
  options: { readonly log: Log; readonly folder?: string },
): Promise<string[]> {
  const migrations = await readMigrations(options.folder);
  const applied: string[] = [];
  await store.general.raw(
    (sql) =>
      sql.begin(async (tx) => {
        await tx`set local statement_timeout = 0`;
        await tx`set local lock_timeout = 0`;
        await tx`set local idle_in_transaction_session_timeout = 0`;
        await tx`select pg_advisory_xact_lock(${lockKey[0]}::int, ${lockKey[1]}::int)`;
        const pending = await findPending(tx, migrations, options.log);
        await tx`
          create table if not exists holdgate_migrations (
            tag text primary key, hash text not null, journal_when bigint not null,
            applied_at timestamptz not null default now())`;
        for (const migration of pending) {
          await tx.unsafe(migration.text);
          await tx`
            insert into holdgate_migrations (tag, hash, journal_when)
            values (${migration.tag}, ${migration.hash}, ${migration.when})`;
        }
        applied.push(...pending.map((migration) => migration.tag));
      }),
    { timeoutMs: migrateTimeoutMs },
  );
  for (const tag of applied) options.log.info('applied a migration', { migration: tag });
  return applied;
}

/** The tags that `migrate` would apply. Rejects when an applied migration was changed since. */
export async function pendingMigrations(
  store: { readonly general: RawRunner },
  options: { readonly log: Log; readonly folder?: string },
): Promise<string[]> {
  const migrations = await readMigrations(options.folder);
  const pending = await store.general.raw((sql) => findPending(sql, migrations, options.log));
  return pending.map((migration) => migration.tag);
}

/**
 * What a gateway does before it serves: the embedded database is brought up to date, PostgreSQL only where asked,
 * because there a migration is an operator's decision (other replicas, backups). Rejects with a DependencyError where
 * migrations are pending.
 */
export async function ensureMigrated(
  store: Pick<Store, 'general' | 'kind'>,
  options: { readonly migrate: boolean; readonly log: Log; readonly folder?: string },
): Promise<void> {
  if (store.kind === 'embedded' || options.migrate) {
    await migrate(store, options);
    return;
  }
  const pending = await pendingMigrations(store, options);
  if (pending.length === 0) return;
  throw new DependencyError(
    'HOLDGATE_RECORD_UNAVAILABLE',
    `the database lacks ${pending.length === 1 ? 'a migration' : `${pending.length} migrations`} (${pending.join(', ')}): back it up, then run holdgate migrate`,
  );
}

async function findPending(
  sql: Sql | TransactionSql,
  migrations: readonly Migration[],
  log: Log,
): Promise<Migration[]> {
  const [table] = await sql<{ name: string | null }[]>`
    select to_regclass('holdgate_migrations')::text as name`;
  if (table?.name === null || table === undefined) return [...migrations];
  const rows = await sql<{ tag: string; hash: string }[]>`
    select tag, hash from holdgate_migrations order by tag`;
  const applied = new Map(rows.map((row) => [row.tag, row.hash]));
  for (const migration of migrations) {
    const hash = applied.get(migration.tag);
    if (hash !== undefined && hash !== migration.hash) {
      throw new Error(
        `migrations/${migration.tag}.sql is not the file that this database was made with (sha256 ${migration.hash}, applied ${hash}): restore the file; a change is a new migration`,
      );
    }
  }
  const pending = migrations.filter((migration) => !applied.has(migration.tag));
  const known = new Set(migrations.map((migration) => migration.tag));
  const ahead = rows.filter((row) => !known.has(row.tag)).map((row) => row.tag);
  if (ahead.length > 0) {
    log.warn('the database is ahead of this version of Holdgate', { migrations: ahead });
  }
  const newest = rows.at(-1)?.tag ?? '';
  const late = pending.find((migration) => migration.tag < newest);
  if (late !== undefined) {
    throw new Error(
      `migrations/${late.tag}.sql comes before ${newest}, which this database already has: give it the next number`,
    );
  }
  return pending;
}
