import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';

/** How far a stream was read. */
export type StreamPosition = {
  /** The stream's UTC day. */
  readonly epoch: string;
  /** The first number that was not read yet. */
  readonly seq: number;
};

/**
 * How far an export came: a vector, one number for each stream. A replica that records late, or a process that nobody knew
 * of, has numbers of its own, so nothing that it adds can lie behind a position that was passed.
 */
export type ExportPosition = {
  /** RFC 3339, inclusive; null from the beginning. What an export began with holds to its end. */
  readonly since: string | null;
  /** RFC 3339, exclusive; null without an end. */
  readonly until: string | null;
  /** Streams of earlier days are read to their end, and left out of the vector. */
  readonly floor: string;
  readonly streams: ReadonlyMap<string, StreamPosition>;
};

/** The day before all days. */
export const firstDay = '0001-01-01';

/** Streams of one cursor: a process and a day each, of the days that may still get records. */
export const cursorStreamsMax = 2000;

/** A cursor as text travels in a query parameter: 64 KiB of headers are taken. Characters, and bytes before packing. */
export const cursorCharsMax = 56 * 1024;
const cursorBytesMax = 1024 * 1024;

const day = z.string().regex(/^\d{4}-\d\d-\d\d$/);
const time = z.iso.datetime({ offset: true }).nullable();

/** Version, since, until, floor, and by day the streams with their numbers. */
const cursorSchema = z.tuple([
  z.literal(1),
  time,
  time,
  day,
  z.record(day, z.record(z.string().max(128), z.int().min(0))),
]);

/** Writes a position as text that means nothing to its holder. */
export function writeExportCursor({ since, until, floor, streams }: ExportPosition): string {
  const days: Record<string, Record<string, number>> = {};
  for (const [id, { epoch, seq }] of streams) (days[epoch] ??= {})[id] = seq;
  const value: z.input<typeof cursorSchema> = [1, since, until, floor, days];
  return deflateRawSync(JSON.stringify(value)).toString('base64url');
}

/** Reads what `writeExportCursor` wrote; null for anything else. What it unpacks to is bounded before it is unpacked. */
export function readExportCursor(text: string): ExportPosition | null {
  if (text.length > cursorCharsMax) return null;
  try {
    const packed = Buffer.from(text, 'base64url');
    const json = inflateRawSync(packed, { maxOutputLength: cursorBytesMax }).toString('utf8');
    const parsed = cursorSchema.safeParse(JSON.parse(json)).data;
    if (parsed === undefined) return null;
    const [, since, until, floor, days] = parsed;
    const streams = new Map<string, StreamPosition>();
    for (const [epoch, ids] of Object.entries(days)) {
      for (const [id, seq] of Object.entries(ids)) streams.set(id, { epoch, seq });
    }
    return { since, until, floor, streams };
  } catch {
    return null;
  }
}
