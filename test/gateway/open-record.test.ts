import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLog } from '../../src/base/log.ts';
import { configSchema } from '../../src/config/index.ts';
import { openRecorder } from '../../src/gateway/open-record.ts';
import { StartError, type Closing } from '../../src/gateway/parts.ts';
import { someOutcome } from '../support/record-entries.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
let directory = '';
let logs: string[] = [];
beforeEach(async () => {
  opened = await openEmbeddedTestStore();
  directory = mkdtempSync(join(tmpdir(), 'holdgate-record-'));
  logs = [];
}, 120_000);
afterEach(async () => {
  await opened.close();
  rmSync(directory, { recursive: true });
});

/** A gateway's record from start to stop, with one entry. */
async function run(acknowledgeRestored = false, dataDirectory = directory): Promise<void> {
  const closing: Closing[] = [];
  const options = {
    env: {},
    log: createLog('info', (line) => logs.push(line)),
    onFatal: () => {},
    acknowledgeRestored,
  };
  const config = configSchema.parse({ dataDirectory });
  try {
    const recorder = await openRecorder(config, opened.store, options, closing);
    await recorder.append(someOutcome());
  } finally {
    for (const part of closing.toReversed()) await part.close();
  }
}
const execute = (statement: string): Promise<unknown> =>
  opened.store.general.raw((sql) => sql.unsafe(statement));
const entries = (kind: string): Promise<Record<string, unknown>[]> =>
  opened.store.general.raw(async (sql) =>
    (
      await sql<{ text: string }[]>`
        select convert_from(bytes, 'UTF8') as text from records where kind = ${kind}`
    ).map(({ text }) => JSON.parse(text) as Record<string, unknown>),
  );
const refusal = (acknowledge = false, dataDirectory = directory): Promise<string> =>
  run(acknowledge, dataDirectory).then(
    () => '',
    (cause: unknown) => {
      expect(cause).toBeInstanceOf(StartError);
      return cause instanceof Error ? cause.message : '';
    },
  );
/** An older backup, as far as the ledger tells. */
const restore = async (): Promise<void> => {
  await execute('alter table ledger disable trigger user');
  await execute('delete from ledger where seq >= 3');
};

test('a gateway that comes back to its database goes on with the ledger, and anchors it in the log', async () => {
  await run();
  const first = readFileSync(join(directory, 'ledger-head'), 'utf8');
  await run();
  expect(readFileSync(join(directory, 'ledger-head'), 'utf8')).not.toBe(first);
  expect(logs.filter((line) => line.includes('"ledger checkpoint"'))).toHaveLength(2);
  expect(await entries('restored')).toEqual([]);
});

test('an older backup is refused with what to do; acknowledged it is gone on with, on record', async () => {
  await run();
  await run();
  const seen = readFileSync(join(directory, 'ledger-head'), 'utf8');
  await restore();
  const why = await refusal();
  expect(why).toMatch(/not the one that this gateway recorded into: its ledger has 3 entries/);
  expect(why).toContain('--acknowledge-restored-database');
  expect(readFileSync(join(directory, 'ledger-head'), 'utf8')).toBe(seen);
  await run(true);
  const [entry] = await entries('restored');
  expect(entry).toMatchObject({ seen });
  expect(entry?.['found']).toMatch(/^\S+\/ledger\n3\n/);
  await run();
});

test('an empty database in place of the old one is refused', async () => {
  await run();
  await execute('alter table ledger disable trigger user');
  await execute('delete from ledger');
  expect(await refusal()).toMatch(/its ledger has 0 entries/);
  await run(true);
  expect(await entries('restored')).toMatchObject([{ found: '' }]);
  await run();
});

test('a replica without the key of the others is refused; with it, it goes on', async () => {
  await run();
  const other = join(directory, 'other');
  expect(await refusal(false, other)).toMatch(/give it the deployment key of the others/);
  copyFileSync(join(directory, 'deployment.key'), join(other, 'deployment.key'));
  await run(false, other);
  expect(existsSync(join(other, 'ledger-head'))).toBe(true);
});

test('a lost deployment key ends nothing: acknowledged, the ledger goes on under the new one', async () => {
  await run();
  rmSync(join(directory, 'deployment.key'));
  expect(await refusal()).toMatch(/is not of this deployment's key/);
  await run(true);
  await run();
  expect(await entries('restored')).toHaveLength(1);
});

test('a damaged ledger is not gone on with, acknowledged or not', async () => {
  await run();
  await execute('alter table ledger disable trigger user');
  await execute("update ledger set peaks = decode('00', 'hex')");
  expect(await refusal()).toMatch(/does not fit its signed checkpoint/);
  expect(await refusal(true)).toMatch(/cannot be gone on with.*restore a backup/);
});

test('a damaged ledger-head is refused, not taken for a first start', async () => {
  await run();
  writeFileSync(join(directory, 'ledger-head'), '');
  expect(await refusal()).toMatch(/ledger-head is not of this deployment's key/);
});
