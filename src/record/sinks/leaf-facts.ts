import type { RecordEntry } from '../entry.ts';

/** How urgent an entry is to somebody who watches: syslog's words (RFC 5424 §6.2.1). */
export type Severity = 'info' | 'notice' | 'warning' | 'error';

/** What sinks say of a leaf beside its text. */
export type LeafFacts = {
  readonly stream: string;
  readonly seq: number;
  /** RFC 3339. */
  readonly ts: string;
  readonly kind: string;
  readonly severity: Severity;
  /** What people search by, in the order in which it is written; only what the entry has. */
  readonly fields: readonly (readonly [name: string, value: string])[];
};

type ReadLeaf = RecordEntry & {
  readonly stream: string;
  readonly seq: number;
  readonly ts: string;
};

/** Reads a leaf. It is our own, written by `makeLeaf`, so its form is not checked again. */
export function leafFacts(leaf: string): LeafFacts {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own `makeLeaf`, and append-only
  const entry = JSON.parse(leaf) as ReadLeaf;
  const { stream, seq, ts, kind } = entry;
  const common: [string, string][] = [
    ['request', entry.requestId],
    ['cluster', entry.cluster],
  ];
  const fields = [...common, ...fieldsOf(entry)].filter(([, value]) => value !== '');
  return { stream, seq, ts, kind, severity: severityOf(entry), fields };
}

function fieldsOf(entry: RecordEntry): [string, string][] {
  switch (entry.kind) {
    case 'decision': {
      const request = entry.input?.request;
      return [
        ['verdict', entry.verdict],
        ['code', entry.code ?? ''],
        ['user', entry.user?.username ?? ''],
        ['source', entry.sourceIp],
        ['verb', request?.verb ?? ''],
        ['resource', request?.resource ?? ''],
        ['namespace', request?.namespace ?? ''],
        ['name', request?.name ?? ''],
        ['approval', entry.approvalId ?? ''],
      ];
    }
    case 'outcome':
      return [
        ['status', String(entry.status)],
        ['code', entry.code ?? ''],
        ['ended_by', entry.endedBy],
      ];
    case 'hold':
      return [
        ['approval', entry.approvalId],
        ['to', entry.to],
        ['user', entry.by?.username ?? ''],
      ];
    case 'release':
      return [['approval', entry.approvalId]];
    case 'attempt':
    case 'export':
      return [['user', (entry.kind === 'attempt' ? entry.user : entry.by).username]];
    case 'sink-skipped':
      return [['sink', entry.sink]];
    case 'policy':
    case 'clusters':
    case 'stream':
    case 'stream-closed':
    case 'stream-abandoned':
    case 'restored':
      return [];
  }
  // A replica of a later version may have recorded a kind that this one does not know.
  return [];
}

const verdictSeverities = { allow: 'info', hold: 'notice', deny: 'warning' } as const;

function severityOf(entry: RecordEntry): Severity {
  switch (entry.kind) {
    case 'decision':
      return verdictSeverities[entry.verdict];
    case 'outcome':
      if (entry.endedBy === 'bug' || entry.endedBy === 'recorder') return 'error';
      return entry.code === null ? 'info' : 'notice';
    case 'stream-abandoned':
    case 'restored':
    case 'sink-skipped':
      return 'warning';
    case 'attempt':
    case 'stream':
    case 'stream-closed':
      return 'info';
    case 'release':
    case 'hold':
    case 'policy':
    case 'clusters':
    case 'export':
      return 'notice';
  }
  return 'info';
}
