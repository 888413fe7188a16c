import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres, { type Sql } from 'postgres';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import {
  createEvidenceExports,
  loadDeploymentKey,
  type VerifyReport,
} from '../../src/record/index.ts';
import { leafHash } from '../../src/record/leaf.ts';
import { connectStore, createEvidenceSource } from '../../src/store/index.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

/** The longest stream of the copy, what the tamperings work on. */
type Target = {
  readonly stream: string;
  readonly size: number;
  /** A record in its middle that is a decision, and its bytes. */
  readonly seq: number;
  readonly bytes: Buffer;
  readonly requestId: string;
};

type Tampering = {
  readonly name: string;
  /** One of these must be found. */
  readonly found: readonly string[];
  readonly tamper: (sql: Sql, target: Target) => Promise<unknown>;
};

const edited = ({ bytes }: Target): Buffer =>
  Buffer.from(bytes.toString('utf8').replace('"verb":"', '"verb":"not-'));

/** What somebody with every right on the database, and without a key, can do to it. */
const tamperings: readonly Tampering[] = [
  {
    name: 'a record is edited',
    found: ['record-edited'],
    tamper: (sql, target) =>
      sql`update records set bytes = ${edited(target)} where stream = ${target.stream} and seq = ${target.seq}`,
  },
  {
    name: 'a record is edited, and its hash',
    found: ['records-changed'],
    tamper: (sql, target) => {
      const bytes = edited(target);
      return sql`
        update records set bytes = ${bytes}, leaf = ${leafHash(bytes)}
        where stream = ${target.stream} and seq = ${target.seq}`;
    },
  },
  {
    name: 'a record is deleted',
    found: ['record-missing'],
    tamper: (sql, { stream, seq }) =>
      sql`delete from records where stream = ${stream} and seq = ${seq}`,
  },
  {
    name: 'a record is inserted at the end',
    found: ['record-unsigned', 'record-out-of-order', 'record-foreign'],
    tamper: (sql, { stream, seq, size }) => sql`
      insert into records (epoch, stream, seq, leaf, bytes, kind, request_id, ts, cluster)
      select epoch, stream, ${size}, leaf, bytes, kind, request_id, ts, cluster
      from records where stream = ${stream} and seq = ${seq}`,
  },
  {
    name: 'two records change places',
    found: ['record-out-of-order', 'record-missing', 'record-foreign', 'records-changed'],
    tamper: async (sql, { stream, seq }) => {
      await sql`update records set seq = -1 where stream = ${stream} and seq = ${seq}`;
      await sql`update records set seq = ${seq} where stream = ${stream} and seq = ${seq + 1}`;
      await sql`update records set seq = ${seq + 1} where stream = ${stream} and seq = -1`;
    },
  },
  {
    name: "a stream's end is cut off",
    found: ['stream-truncated'],
    tamper: (sql, { stream, seq }) =>
      sql`delete from records where stream = ${stream} and seq >= ${seq}`,
  },
  {
    name: 'a request is deleted whole',
    found: ['record-missing'],
    tamper: (sql, { requestId }) => sql`delete from records where request_id = ${requestId}`,
  },
  {
    name: 'a stream is deleted whole',
    found: ['stream-deleted'],
    tamper: async (sql, { stream }) => {
      await sql`delete from records where stream = ${stream}`;
      await sql`delete from streams where id = ${stream}`;
    },
  },
  {
    name: 'everything is as it was a while ago: streams and ledger end earlier',
    found: ['ledger-rolled-back'],
    tamper: async (sql) => {
      const [end] = await sql<{ seq: string; at: Date }[]>`
        select seq, at from ledger where checkpoint is not null order by seq limit 1`;
      if (end === undefined) throw new Error('the ledger has no checkpoint');
      await sql`delete from ledger where seq > ${end.seq}`;
      await sql`delete from records where ts > ${end.at}`;
    },
  },
  {
    name: 'a record is dated back, hash and all',
    found: ['records-changed', 'record-backdated'],
    tamper: (sql, { stream, seq, bytes }) => {
      const text = bytes.toString('utf8').replace(/"ts":"\d{4}/, '"ts":"2001');
      const dated = Buffer.from(text);
      return sql`
        update records set bytes = ${dated}, leaf = ${leafHash(dated)} where stream = ${stream} and seq = ${seq}`;
    },
  },
  {
    name: 'an entry of the ledger is exchanged',
    found: ['ledger-changed', 'checkpoint-wrong', 'record-edited'],
    tamper: (sql) => sql`
      update ledger set bytes = earlier.bytes, leaf = earlier.leaf
      from (select bytes, leaf from ledger where kind = 'checkpoint' order by seq limit 1) earlier
      where seq = (select max(seq) from ledger where kind = 'checkpoint')`,
  },
];

export type TamperingParts = {
  readonly world: World;
  /** The server's database that the gateway recorded into; nobody is connected to it any more. */
  readonly databaseUrl: string;
  readonly anchors: string;
  readonly key: string;
};

/** Each tampering by plain SQL on a copy of its own of the database: `holdgate verify` names it; the untouched copy is verified. */
export async function proveTampering(parts: TamperingParts, report: Report): Promise<void> {
  const untouched = await verdictOf(parts, 'untouched', async () => {});
  report.check(
    'verify: the record as it is',
    `${untouched.verdict}, ${untouched.counts.records} records, ${untouched.counts.streams} streams${listOf(untouched)}`,
    'verified',
    untouched.verdict === 'verified',
  );
  for (const [index, { name, found, tamper }] of tamperings.entries()) {
    const verdict = await verdictOf(parts, `tampered_${index}`, async (sql) =>
      tamper(sql, await targetOf(sql)),
    );
    const hit = verdict.findings.find(({ kind }) => found.includes(kind));
    const isNamed = verdict.verdict === 'tampered' && hit !== undefined;
    report.check(
      `verify: ${name}`,
      isNamed
        ? `${hit.kind}, stream ${hit.stream ?? '-'}, number ${hit.seq ?? '-'}`
        : `${verdict.verdict}${listOf(verdict)}`,
      `tampered: ${found.join(' or ')}`,
      isNamed,
    );
  }
}

const listOf = ({ findings }: VerifyReport): string =>
  findings
    .slice(0, 3)
    .map(({ kind, stream, seq }) => `; ${kind} ${stream ?? '-'} ${seq ?? '-'}`)
    .join('');

async function targetOf(sql: Sql): Promise<Target> {
  const [longest] = await sql<{ stream: string; size: string }[]>`
    select stream, count(*) as size from records group by stream order by count(*) desc limit 1`;
  if (longest === undefined) throw new Error('the database has no records');
  const [row] = await sql<{ seq: string; bytes: Buffer; request_id: string }[]>`
    select seq, bytes, request_id from records
    where stream = ${longest.stream} and kind = 'decision' and verb is not null and seq >= ${Math.floor(Number(longest.size) / 2)}
    order by seq limit 1`;
  if (row === undefined) throw new Error('its longest stream has no decision in its second half');
  return {
    stream: longest.stream,
    size: Number(longest.size),
    seq: Number(row.seq),
    bytes: row.bytes,
    requestId: row.request_id,
  };
}

/** What `holdgate verify` says of a bundle out of a changed copy of the database. */
async function verdictOf(
  { world, databaseUrl, anchors, key }: TamperingParts,
  name: string,
  change: (sql: Sql) => Promise<unknown>,
): Promise<VerifyReport> {
  const original = new URL(databaseUrl).pathname.slice(1);
  const maintenance = postgres(urlOf(databaseUrl, 'template1'), { max: 1, onnotice: () => {} });
  await maintenance`create database ${maintenance(name)} template ${maintenance(original)}`;
  const url = urlOf(databaseUrl, name);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    // Whoever owns the tables can switch triggers off.
    await sql`set session_replication_role = replica`;
    await change(sql);
  } finally {
    await sql.end();
  }
  try {
    const bundle = join(world.directory, `${name}.tar`);
    await writeBundle(world, url, bundle);
    const verified = await world.holdgate([
      'verify',
      bundle,
      '--key',
      key,
      '--anchor',
      anchors,
      '--json',
    ]);
    return JSON.parse(verified.stdout) as VerifyReport;
  } finally {
    await maintenance`drop database ${maintenance(name)}`;
    await maintenance.end();
  }
}

/** As the gateway makes it, without a gateway that would go on recording into the copy. */
async function writeBundle(world: World, url: string, file: string): Promise<void> {
  const store = await connectStore({
    url: new Secret(url),
    dataDirectory: world.dataDirectory,
    log: silentLog,
    clock: systemClock,
  });
  try {
    const exports = createEvidenceExports({
      source: createEvidenceSource(store),
      recorder: { append: () => Promise.resolve() },
      deploymentKey: await loadDeploymentKey({
        dataDirectory: world.dataDirectory,
        configured: null,
        deployment: null,
      }),
      clock: systemClock,
    });
    const by = { issuer: '', subject: '', username: 'prove' };
    const opened = await exports.open({ kind: 'all' }, by);
    if (!opened.ok) throw new Error(opened.error.message);
    await pipeline(Readable.from(opened.value), createWriteStream(file));
  } finally {
    await store.close();
  }
}

function urlOf(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}
