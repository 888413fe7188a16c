import type { Refusal } from '../base/errors.ts';
import { ok, type Result } from '../base/result.ts';
import type { ExportFormat, ExportFormatName } from '../record/index.ts';
import type { ExportPage, ExportRequest } from '../store/index.ts';
import type { RecordExports } from './ports.ts';

/** What a caller asks for; see the route's schema. */
export type ExportQuery = {
  readonly format: ExportFormatName;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
  readonly page: 'true' | 'false';
  readonly settle: number;
};

/** Rows that are written in one turn of the event loop: agents' calls are served by the same process. */
const rowsInATurn = 50;

/**
 * The answer of an export: one page with the headers `holdgate-cursor` and `holdgate-more`, or everything, streamed at the
 * client's pace. The first page is read before the answer begins, so that a wrong cursor is a refusal; what fails after it
 * breaks the connection, so that nobody takes a part for the whole.
 */
export async function exportAnswer(
  exports: RecordExports,
  query: ExportQuery,
): Promise<Result<Response, Refusal>> {
  const { since, until, cursor, settle: settleSeconds } = query;
  const format = exports.formats[query.format];
  const request = { rows: format.rows, since, until, settleSeconds };
  const first = await exports.page({ ...request, cursor });
  if (!first.ok) return first;
  const head = cursor === undefined ? format.head : '';
  const headers = { 'content-type': format.contentType };
  if (query.page === 'false') {
    const body = allPages(exports, request, format, { head, page: first.value });
    return ok(new Response(body, { headers }));
  }
  const { cursor: next, more } = first.value;
  const paged = { ...headers, 'holdgate-cursor': next, 'holdgate-more': String(more) };
  return ok(new Response(await written(first.value, format, head), { headers: paged }));
}

/** Pages one after the other, each read when the one before was taken. */
function allPages(
  exports: RecordExports,
  request: Omit<ExportRequest, 'cursor'>,
  format: ExportFormat,
  begin: { readonly head: string; readonly page: ExportPage },
): ReadableStream<Uint8Array> {
  let { head, page }: { head: string; page: ExportPage | null } = begin;
  const following = async (cursor: string): Promise<ExportPage> => {
    const read = await exports.page({ ...request, cursor });
    if (read.ok) return read.value;
    throw new Error(read.error.message);
  };
  return new ReadableStream({
    pull: async (controller) => {
      // A page without rows would leave the reader waiting for a second call that nobody makes.
      for (let text = ''; text === '' && page !== null; head = '') {
        text = await written(page, format, head);
        if (text !== '') controller.enqueue(Buffer.from(text));
        page = page.more ? await following(page.cursor) : null;
      }
      if (page === null) controller.close();
    },
  });
}

async function written(page: ExportPage, format: ExportFormat, head: string): Promise<string> {
  let text = head;
  for (const [index, row] of page.rows.entries()) {
    text += format.line(row);
    if (index % rowsInATurn === rowsInATurn - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return text;
}
