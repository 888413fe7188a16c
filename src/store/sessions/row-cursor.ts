import { z } from 'zod';

/** Where a page of rows in the order of time ended. */
export type RowCursor = { readonly ts: string; readonly id: string; readonly seq: number };

const schema = z.tuple([
  // A time as PostgreSQL writes it.
  z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/),
  z.string().max(128),
  z.int().min(-1),
]);

export function writeRowCursor({ ts, id, seq }: RowCursor): string {
  return Buffer.from(JSON.stringify([ts, id, seq])).toString('base64url');
}

/** Null for text that `writeRowCursor` did not make. */
export function readRowCursor(text: string): RowCursor | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    const parts = schema.safeParse(value).data;
    return parts === undefined ? null : { ts: parts[0], id: parts[1], seq: parts[2] };
  } catch {
    return null;
  }
}
