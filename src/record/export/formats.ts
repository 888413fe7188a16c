import { auditEventLine } from './audit-event.ts';
import { csvHead, csvLine } from './csv.ts';
import type { ExportedRow } from './exported.ts';
import { ocsfLine } from './ocsf.ts';
import { opaLogLine } from './opa-log.ts';

/** How an export is written. */
export type ExportFormat = {
  readonly contentType: string;
  /** `leaves`: every record, each alone. `decisions`: a row for each decision, with its outcome. */
  readonly rows: 'leaves' | 'decisions';
  /** What stands before the first row. */
  readonly head: string;
  /** A row, with its line break. */
  readonly line: (row: ExportedRow) => string;
};

const ndjson = 'application/x-ndjson';

const decisions = (line: ExportFormat['line'], head = '', contentType = ndjson): ExportFormat => ({
  contentType,
  rows: 'decisions',
  head,
  line,
});

/** Every format by the name that people give. */
export const exportFormats = {
  /** Every leaf as it was hashed, of every kind: nothing is joined, left out or written anew. */
  records: { contentType: ndjson, rows: 'leaves', head: '', line: ({ leaf }) => `${leaf}\n` },
  /** A decision's leaf and its outcome's, each as it was hashed. */
  ndjson: decisions(({ leaf, outcome }) => `{"decision":${leaf},"outcome":${outcome ?? 'null'}}\n`),
  csv: decisions(csvLine, csvHead, 'text/csv; charset=utf-8; header=present'),
  opa: decisions(opaLogLine),
  audit: decisions(auditEventLine),
  ocsf: decisions(ocsfLine),
} as const satisfies Record<string, ExportFormat>;

export type ExportFormatName = keyof typeof exportFormats;
