import postgres from 'postgres';
import { DrizzleQueryError } from 'drizzle-orm/errors';
import { DependencyError } from '../base/errors.ts';
import { errorText } from '../base/log.ts';

/**
 * SQLSTATE classes (PostgreSQL appendix A) that say something of the statement or its data, not of the database:
 * 0A feature not supported, 21 cardinality, 22 data, 23 constraint, 26 statement name, 42 syntax or access rule.
 * Everything else (08 connection, 25 read-only, 40 rollback, 53 resources, 54 limits, 57 intervention, 58 system,
 * P0 raised by a trigger, XX internal) is the database's state, and so is any error that is no PostgresError.
 */
const STATEMENT_CLASSES = new Set(['0A', '21', '22', '23', '26', '42']);

/** The PostgresError behind anything that drizzle or postgres.js threw, else null. */
export function postgresError(cause: unknown): postgres.PostgresError | null {
  const inner = cause instanceof DrizzleQueryError ? cause.cause : cause;
  return inner instanceof postgres.PostgresError ? inner : null;
}

/** True where the server refused a statement for what it says or carries: repeating it would be refused again. */
export function isStatementError(cause: unknown): boolean {
  const error = postgresError(cause);
  return error !== null && STATEMENT_CLASSES.has(error.code.slice(0, 2));
}

/** Errors that are the driver's or the socket's: they carry a `code` like ECONNREFUSED or CONNECTION_CLOSED. */
function isDriverError(cause: unknown): boolean {
  if (cause instanceof postgres.PostgresError || cause instanceof DrizzleQueryError) return true;
  if (!(cause instanceof Error)) return false;
  const code: unknown = 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code) && !code.startsWith('HOLDGATE');
}

/**
 * Makes what `run` rejects with. Drizzle's own message lists the query's parameters, which may hold what must not be
 * logged, so it never leaves here; `secrets` are cut out of every text, as a driver may quote its URL.
 */
export function storeFailure(cause: unknown, secrets: readonly string[]): unknown {
  if (cause instanceof DependencyError || !isDriverError(cause)) return cause;
  const inner = cause instanceof DrizzleQueryError ? (cause.cause ?? cause) : cause;
  if (isStatementError(inner)) return inner;
  if (inner instanceof DrizzleQueryError) return unavailable('a query failed', null, secrets);
  return unavailable(describe(inner), inner, secrets);
}

/** A DependencyError that says that the database did not do what was asked. */
export function unavailable(
  what: string,
  cause: unknown,
  secrets: readonly string[] = [],
): DependencyError {
  const text = redact(`the database is not available: ${what}`, secrets);
  const safe = cause === null ? undefined : new Error(redact(errorText(cause), secrets));
  return new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', text, safe);
}

function describe(cause: unknown): string {
  const error = postgresError(cause);
  if (error !== null) return `${error.message} (SQLSTATE ${error.code})`;
  // Node joins the refusals of several addresses into an AggregateError without a message of its own.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return errorText(first);
}

/** Cuts secrets out of a text, also as they look inside a URL. */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret === '') continue;
    for (const form of [secret, encodeURIComponent(secret)]) {
      clean = clean.replaceAll(form, '[redacted]');
    }
  }
  return clean;
}
