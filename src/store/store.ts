import type { PgDatabase } from 'drizzle-orm/pg-core';
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';

/** Drizzle over postgres.js: the same for PostgreSQL, for the embedded database, and inside a transaction. */
export type Database = PgDatabase<PostgresJsQueryResultHKT>;

/** Queries on one pool of connections. */
type Runner = {
  /**
   * Runs queries. What the database's own state causes (down, full, read-only, too slow, restarting) rejects with a
   * DependencyError; a constraint or a fault in the query rejects with postgres.js's own PostgresError, and
   * whatever `work` itself throws passes through.
   */
  readonly run: <T>(work: (db: Database) => Promise<T>) => Promise<T>;
  /**
   * The same inside one transaction, rolled back when `work` rejects. The embedded database has a single connection:
   * work that awaits anything but its own queries (the recorder above all) would wait for itself.
   */
  readonly transaction: <T>(work: (db: Database) => Promise<T>) => Promise<T>;
};

/** postgres.js itself, for the hot path and for migrations; errors are classed as in `Runner`. */
export type RawRunner = Runner & {
  readonly raw: <T>(
    work: (sql: Sql) => Promise<T>,
    options?: { readonly timeoutMs?: number },
  ) => Promise<T>;
  /** Drops every connection, so that calls that hang reject and the next ones get a new connection. */
  readonly reset: (why: string) => void;
};

/** An open database. */
export type Store = Runner & {
  readonly kind: 'postgres' | 'embedded';
  /** The general pool, with postgres.js itself. */
  readonly general: RawRunner;
  /** Connections that only the recorder uses, so that no slow query can make a decision wait. */
  readonly recording: RawRunner;
  /** One connection for what is made from records after their commit, so that it can hold up nothing else. */
  readonly projecting: RawRunner;
  /**
   * Tells every replica that something changed. A hint: it may be lost, never rely on it. Call it after the commit.
   * Rejects as `run` does.
   */
  readonly notify: (channel: string, payload: string) => Promise<void>;
  /**
   * Calls `listener` for each hint, and with an empty payload after the listening connection was re-established
   * (hints may have been lost). Returns the way to stop. Never rejects: it listens as soon as the database is there.
   */
  readonly onNotify: (channel: string, listener: (payload: string) => void) => () => void;
  /** Waits for running queries, at most 5 seconds, and closes. */
  readonly close: () => Promise<void>;
};
