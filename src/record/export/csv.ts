import { readDecision, rulesOf, type ExportedDecision, type ExportedRow } from './exported.ts';

/** The columns, in their order: the name in the head line, and what stands in the cell. */
const COLUMNS: readonly (readonly [string, (of: ExportedDecision) => string | number | null])[] = [
  ['time', ({ decision }) => decision.ts],
  ['request_id', ({ decision }) => decision.requestId],
  ['cluster', ({ decision }) => decision.cluster],
  ['verdict', ({ decision }) => decision.verdict],
  ['code', ({ decision, outcome }) => outcome?.code ?? decision.code],
  ['username', ({ decision }) => decision.user?.username ?? ''],
  ['issuer', ({ decision }) => decision.user?.issuer ?? ''],
  ['subject', ({ decision }) => decision.user?.subject ?? ''],
  ['user_kind', ({ decision }) => decision.input?.user.kind ?? ''],
  ['source_ip', ({ decision }) => decision.sourceIp],
  ['user_agent', ({ decision }) => decision.userAgent],
  ['verb', ({ decision }) => decision.input?.request.verb ?? ''],
  ['group', ({ decision }) => decision.input?.request.group ?? ''],
  ['resource', ({ decision }) => decision.input?.request.resource ?? ''],
  ['namespace', ({ decision }) => decision.input?.request.namespace ?? ''],
  ['name', ({ decision }) => decision.input?.request.name ?? ''],
  ['method', ({ decision }) => decision.method],
  ['target', ({ decision }) => decision.target],
  ['rules', ({ decision }) => rulesOf(decision).join(' ')],
  ['reasons', ({ decision }) => decision.because.map(({ reason }) => reason).join('; ')],
  ['masked_by', ({ decision }) => decision.mask.map(({ rule, id }) => `${rule}/${id}`).join(' ')],
  ['message', ({ decision, outcome }) => (outcome?.message ?? '') || decision.message],
  ['approval_id', ({ decision }) => decision.approvalId],
  ['policy_sources', ({ decision }) => decision.policy?.sources ?? ''],
  ['policy_revision', ({ decision }) => decision.policy?.revision ?? ''],
  ['ended_at', ({ outcome }) => outcome?.ts ?? ''],
  ['status', ({ outcome }) => outcome?.status ?? ''],
  ['upstream_status', ({ outcome }) => outcome?.upstreamStatus ?? ''],
  ['ended_by', ({ outcome }) => outcome?.endedBy ?? ''],
  ['duration_ms', ({ outcome }) => outcome?.durationMs ?? ''],
  ['bytes_sent', ({ outcome }) => outcome?.bytesSent ?? ''],
  ['stream', ({ decision }) => decision.stream],
  ['seq', ({ decision }) => decision.seq],
];

/** The head line. */
export const csvHead = `${COLUMNS.map(([name]) => name).join(',')}\r\n`;

/** A decision as a line of CSV (RFC 4180: CRLF, quotes doubled), safe to open in a spreadsheet. */
export function csvLine(row: ExportedRow): string {
  const exported = readDecision(row);
  return `${COLUMNS.map(([, cell]) => csvCell(cell(exported))).join(',')}\r\n`;
}

/**
 * A cell. Names, reasons and targets come from callers: what a spreadsheet would take for a formula (`=cmd|…`) gets an
 * apostrophe before it, which makes it a text there. Tab and CR first are cut off by some of them, so they count too.
 */
function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
