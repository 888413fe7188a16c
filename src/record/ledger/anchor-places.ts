import { open } from 'node:fs/promises';
import type { Log } from '../../base/log.ts';
import type { Secret } from '../../base/secret.ts';
import type { Anchor } from './anchors.ts';

/** How long a webhook may take. Milliseconds. */
const webhookTimeoutMs = 10_000;

/** The log of the gateway: wherever that goes, the checkpoint is. */
export function logAnchor(log: Log): Anchor {
  return {
    kind: 'log',
    ref: '',
    put: ({ note, size }) => {
      log.info('ledger checkpoint', { size, checkpoint: note });
      return Promise.resolve();
    },
  };
}

/** A file that is only appended to, one JSON line a checkpoint; on a volume that the database's administrator cannot write. */
export function fileAnchor(path: string): Anchor {
  return {
    kind: 'file',
    ref: path,
    put: async ({ note, size }) => {
      const handle = await open(path, 'a', 0o644);
      try {
        const at = new Date().toISOString();
        await handle.appendFile(`${JSON.stringify({ at, size, checkpoint: note })}\n`);
        await handle.datasync();
      } finally {
        await handle.close();
      }
    },
  };
}

/**
 * A service that keeps what it is sent: POST of the checkpoint as text/plain, with a bearer token. Kept is what a 2xx
 * answers; redirects are not followed, so that the token goes nowhere else.
 */
export function webhookAnchor(url: string, token: () => Secret): Anchor {
  const { origin, pathname } = new URL(url);
  return {
    kind: 'webhook',
    // A query may hold a key.
    ref: `${origin}${pathname}`,
    put: async ({ note }) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          authorization: `Bearer ${token().reveal()}`,
        },
        body: note,
        redirect: 'manual',
        signal: AbortSignal.timeout(webhookTimeoutMs),
      });
      // Unread: an answer has nothing to say but its status.
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answered ${response.status}`);
    },
  };
}
