import { inspect } from 'node:util';
import * as fc from 'fast-check';
import postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { DrizzleQueryError } from 'drizzle-orm/errors';
import { systemClock } from '../../src/base/clock.ts';
import { DependencyError } from '../../src/base/errors.ts';
import { createLog, silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { isStatementError, storeFailure } from '../../src/store/failure.ts';
import { connectStore } from '../../src/store/index.ts';
import { parsePostgresUrl } from '../../src/store/postgres-url.ts';

const password = 'pl4nted/s3cret';

/** A PostgresError as the driver makes it. */
function serverError(code: string): unknown {
  const error: unknown = Object.create(postgres.PostgresError.prototype);
  return Object.assign(error ?? {}, { code, message: 'the server says no' });
}

/** An error as the driver or a socket makes it. */
const driverError = (code: string, message = 'x'): Error =>
  Object.assign(new Error(message), { code });

/** As drizzle wraps it, its message listing the parameters. */
const inDrizzle = (cause: unknown): DrizzleQueryError =>
  new DrizzleQueryError('insert', [password], cause instanceof Error ? cause : undefined);

/** The DependencyError that something is. */
function dependencyError(failure: unknown): DependencyError {
  if (!(failure instanceof DependencyError)) throw new Error(`not one: ${inspect(failure)}`);
  expect(failure.code).toBe('HOLDGATE_RECORD_UNAVAILABLE');
  return failure;
}

describe('what a query rejects with', () => {
  test.each([
    { name: 'read-only', cause: serverError('25006') },
    { name: 'disk full', cause: serverError('53100') },
    { name: 'a statement timeout', cause: serverError('57014') },
    { name: 'a shutdown', cause: serverError('57P01') },
    { name: 'a trigger that raises', cause: serverError('P0001') },
    {
      name: 'a refused connection',
      cause: driverError('ECONNREFUSED'),
    },
    {
      name: 'a lost connection',
      cause: driverError('CONNECTION_CLOSED'),
    },
    {
      name: 'one of them inside drizzle',
      cause: inDrizzle(serverError('25006')),
    },
  ])('$name: a DependencyError', ({ cause }) => {
    expect(dependencyError(storeFailure(cause, [])).message).toContain('the database is not');
  });

  test.each([
    { name: 'a constraint', cause: serverError('23505') },
    { name: 'a value', cause: serverError('22P02') },
    { name: 'a fault in the statement', cause: serverError('42P01') },
  ])("$name: the server's own error, without drizzle's list of parameters", ({ cause }) => {
    expect(isStatementError(cause)).toBe(true);
    expect(storeFailure(cause, [])).toBe(cause);
    expect(storeFailure(inDrizzle(cause), [])).toBe(cause);
  });

  test('what the work itself threw passes through', () => {
    const mine = new Error('mine');
    expect(storeFailure(mine, [])).toBe(mine);
    expect(storeFailure('text', [])).toBe('text');
  });

  test('parameters of a query are in no text', () => {
    const failure = storeFailure(inDrizzle(undefined), []);
    expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain(password);
  });
});

describe('the URL of the database', () => {
  test('no part of an error shows its password, however it is written', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), (secret) => {
        fc.pre(!'the database is not available: password [redacted]'.includes(secret));
        const form = encodeURIComponent(secret.toWellFormed());
        const { secrets } = parsePostgresUrl(new Secret(`postgres://u:${form}@h/d`));
        const cause = driverError('EX', `${secret.toWellFormed()} and ${form}`);
        const failure = dependencyError(storeFailure(cause, secrets));
        const text = `${failure.message} ${inspect(failure.cause)}`;
        expect(text).not.toContain(secret.toWellFormed());
        expect(text).not.toContain(form);
      }),
    );
  });

  test.each([
    { name: 'no URL', url: `nonsense ${password}`, hint: /is no URL; write postgres:/ },
    {
      name: 'a port that is none',
      url: `postgres://u:${password}@h:99999999/d`,
      hint: /is no URL/,
    },
    { name: 'another protocol', url: `mysql://u:x@h/d`, hint: /begins with mysql:/ },
  ])('$name is refused without quoting it', async ({ url, hint }) => {
    const lines: string[] = [];
    const log = createLog('debug', (line) => lines.push(line));
    const cause: unknown = await connectStore({
      url: new Secret(url),
      dataDirectory: '/nonexistent',
      log,
      clock: systemClock,
    }).catch((error: unknown) => error);
    expect(dependencyError(cause).message).toMatch(hint);
    expect(inspect(cause, { depth: 9, showHidden: true }) + lines.join('')).not.toContain(
      'pl4nted',
    );
  });

  test('several hosts are fine', () => {
    const url = 'postgres://u:p@one:5432,two:5433/d?target_session_attrs=read-write';
    expect(parsePostgresUrl(new Secret(url)).url.reveal()).toBe(url);
  });

  test('a server that is not there is named by what happened, not by its URL', async () => {
    const url = new Secret('postgres://u:pl4nted@127.0.0.1:1/d');
    const cause: unknown = await connectStore({
      url,
      dataDirectory: '/nonexistent',
      log: silentLog,
      clock: systemClock,
    }).catch((error: unknown) => error);
    expect(dependencyError(cause).message).toContain('ECONNREFUSED');
    expect(inspect(cause, { depth: 9, showHidden: true })).not.toContain('pl4nted');
  });
});
