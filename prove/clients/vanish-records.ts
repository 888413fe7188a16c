import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import type { Report } from '../support/report.ts';
import type { ChaosUpstream } from './chaos-upstream.ts';

/** What the clients of a run sent and saw. */
export type Ledger = {
  /** Markers of requests whose head was written whole. */
  readonly sent: Set<string>;
  /** Markers of requests of whose answer a byte came. */
  readonly answered: Set<string>;
  /** Kinds by how often they ran. */
  readonly ran: Map<string, number>;
  readonly failures: string[];
};

/** A request on record. */
type Recorded = {
  readonly requestId: string;
  readonly marker: string;
  readonly decisions: number;
  readonly outcomes: number;
};

/** A client over HTTP/2 that is gone is found within 25 s where only a PING tells. Milliseconds. */
const settleWithinMs = 35_000;

async function read(sql: postgres.Sql): Promise<readonly Recorded[]> {
  const rows = await sql<
    { request_id: string; marker: string | null; decisions: number; outcomes: number }[]
  >`
    select request_id,
      max(case when kind = 'decision' then convert_from(bytes, 'utf8')::jsonb->>'userAgent' end) as marker,
      count(*) filter (where kind = 'decision')::int as decisions,
      count(*) filter (where kind = 'outcome')::int as outcomes
    from records where kind in ('decision', 'outcome') group by request_id`;
  return rows.map(({ request_id: requestId, marker, decisions, outcomes }) => ({
    requestId,
    marker: marker ?? '',
    decisions,
    outcomes,
  }));
}

const isWhole = ({ decisions, outcomes }: Recorded): boolean => decisions === 1 && outcomes === 1;

/** Reads the records when each decision has its outcome, or after a while. */
export async function settledRecords(databaseUrl: string): Promise<readonly Recorded[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const deadlineMs = performance.now() + settleWithinMs;
    for (;;) {
      const records = await read(sql);
      if (records.every(isWhole) || performance.now() > deadlineMs) return records;
      await delay(500);
    }
  } finally {
    await sql.end();
  }
}

/** Every request has one decision and one outcome; nothing that reached an upstream, or was answered, is without. */
export function checkRecords(
  report: Report,
  records: readonly Recorded[],
  ledger: Ledger,
  chaos: ChaosUpstream,
): void {
  const broken = records.filter((one) => !isWhole(one));
  const examples = broken
    .slice(0, 5)
    .map((one) => `${one.marker} ${one.decisions}/${one.outcomes}`)
    .join(', ');
  report.check(
    'requests with other than one decision and one outcome',
    `${broken.length} of ${records.length} ${examples}`.trim(),
    '0',
    broken.length === 0 && records.length > 0,
  );
  const byMarker = new Map<string, number>();
  for (const { marker } of records) byMarker.set(marker, (byMarker.get(marker) ?? 0) + 1);
  const twice = [...ledger.sent].filter((marker) => (byMarker.get(marker) ?? 0) > 1);
  report.check('requests on record twice', twice.length, '0', twice.length === 0);

  const ids = new Set(records.map(({ requestId }) => requestId));
  const unknown = [...chaos.reached].filter((id) => !ids.has(id));
  const answered = [...ledger.answered, ...chaos.seen].filter((marker) => !byMarker.has(marker));
  report.check(
    'requests that were answered or reached an upstream, and are not on record',
    `${answered.length} of ${ledger.answered.size} answered, ${unknown.length} of ${chaos.reached.size} at an upstream`,
    '0',
    answered.length === 0 && unknown.length === 0 && chaos.reached.size > 0,
  );
  // TCP may drop what a client sent before it reset the connection: such a request never was one to the gateway.
  const lost = [...ledger.sent].filter((marker) => !byMarker.has(marker)).length;
  report.check(
    'requests sent whole that the gateway never had',
    `${lost} of ${ledger.sent.size}`,
    '<= 20 %: only of clients that left before an answer',
    lost <= ledger.sent.size / 5,
  );
}
