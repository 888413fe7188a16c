import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import { exportAnswer, type ExportQuery } from '../../src/console/export-answer.ts';
import { exportFormats } from '../../src/record/index.ts';
import type { ExportRequest } from '../../src/store/index.ts';
import { exportRow } from '../support/export-rows.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

const rowOf = (requestId: string) =>
  exportRow(someDecision({ requestId }), someOutcome({ requestId }));

/** Pages in their order; the cursor of a page is the number of the next. Tells what was asked for. */
function pagesOf(pages: readonly (readonly string[])[]) {
  const asked: ExportRequest[] = [];
  const page = (request: ExportRequest) => {
    asked.push(request);
    const index = Number(request.cursor ?? 0);
    const ids = pages[index];
    if (ids === undefined) {
      return Promise.resolve(err(refusal('HOLDGATE_CONSOLE_REQUEST_INVALID', 'no such page')));
    }
    const cursor = String(index + 1);
    return Promise.resolve(ok({ rows: ids.map(rowOf), cursor, more: index + 1 < pages.length }));
  };
  return { asked, exports: { page, formats: exportFormats } };
}

const query = (more: Partial<ExportQuery> = {}): ExportQuery => ({
  format: 'csv',
  page: 'false',
  settle: 60,
  ...more,
});

function valueOf<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused');
}

const idsIn = (text: string): readonly string[] => text.match(/\b[a-z]-\d\b/g) ?? [];

describe('an export that is streamed', () => {
  test('holds every page in order, and one head line', async () => {
    const { exports, asked } = pagesOf([['a-1', 'a-2'], [], ['b-1']]);
    const answer = valueOf(await exportAnswer(exports, query({ since: '2026-11-20T00:00:00Z' })));
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(idsIn(text)).toEqual(['a-1', 'a-2', 'b-1']);
    expect(text.split('request_id')).toHaveLength(2);
    expect(asked.map(({ cursor }) => cursor)).toEqual([undefined, '1', '2']);
    expect(asked.every(({ since, rows }) => since !== undefined && rows === 'decisions')).toBe(
      true,
    );
  });

  test('reads no page before the one before it was taken', async () => {
    const { exports, asked } = pagesOf([['a-1'], ['a-2'], ['a-3'], ['a-4'], ['a-5'], ['a-6']]);
    const answer = valueOf(await exportAnswer(exports, query()));
    const reader = answer.body?.getReader();
    await reader?.read();
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked.length).toBeLessThanOrEqual(3);
    await reader?.cancel();
  });

  test('breaks off where a later page fails: nobody takes a part for the whole', async () => {
    const { exports } = pagesOf([['a-1'], ['a-2']]);
    const page = (request: ExportRequest) =>
      request.cursor === '1' ? Promise.reject(new Error('database')) : exports.page(request);
    const answer = valueOf(await exportAnswer({ ...exports, page }, query()));
    await expect(answer.text()).rejects.toThrow('database');
  });

  test('of nothing ends', async () => {
    const { exports } = pagesOf([[]]);
    const answer = valueOf(await exportAnswer(exports, query({ format: 'ocsf' })));
    expect(await answer.text()).toBe('');
  });
});

describe('a page of an export', () => {
  test('says where the next begins and whether there is more', async () => {
    const { exports } = pagesOf([['a-1'], ['a-2']]);
    const first = valueOf(await exportAnswer(exports, query({ page: 'true' })));
    expect(first.headers.get('holdgate-cursor')).toBe('1');
    expect(first.headers.get('holdgate-more')).toBe('true');
    expect(await first.text()).toMatch(/^time,request_id,/);
    const second = valueOf(await exportAnswer(exports, query({ page: 'true', cursor: '1' })));
    expect(second.headers.get('holdgate-more')).toBe('false');
    expect(await second.text()).not.toContain('request_id');
  });

  test('of a wrong cursor is refused before an answer begins', async () => {
    const { exports } = pagesOf([['a-1']]);
    expect((await exportAnswer(exports, query({ cursor: '9' }))).ok).toBe(false);
  });
});
