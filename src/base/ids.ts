import { randomUUID } from 'node:crypto';

/** Ids as a port, so that tests can name what they expect. */
export type Ids = {
  /** A fresh id, unique and unguessable: an RFC 9562 UUID in production. */
  readonly next: () => string;
};

/** Random UUIDs (version 4). */
export const randomIds: Ids = { next: () => randomUUID() };
