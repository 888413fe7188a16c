import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorText, type Log } from '../../base/log.ts';
import type { Result } from '../../base/result.ts';
import type { Found, PolicyOrigin } from '../policy-in-force.ts';
import { problem, wholeFile } from '../problem.ts';
import type { Policy } from '../start-policy.ts';
import { watchPath } from '../watch-path.ts';
import { bundleBytesMax } from './archive.ts';
import type { FetchBundle } from './fetch-bundle.ts';
import { loadBundle, type BundlePorts } from './load-bundle.ts';
import { openBundle, type Trust } from './open-bundle.ts';

/** What both origins need. `trust` is read for each bundle, so that a key that was replaced is taken. */
export type BundleOptions = BundlePorts & {
  readonly trust: () => Result<Trust, string>;
  readonly log: Log;
};

const refuse = (kind: 'refused' | 'unreachable', what: string, fix: string): Found => ({
  kind,
  problems: [problem('', wholeFile, what, fix)],
});

/** Bytes to a running policy. */
async function find(
  bytes: Uint8Array,
  current: Policy | null,
  options: BundleOptions,
): Promise<Found> {
  const trust = options.trust();
  if (!trust.ok) return refuse('refused', trust.error, 'correct policies.verification');
  const opened = await openBundle(bytes, trust.value);
  if (!opened.ok) return refuse('refused', opened.error, 'build and sign the bundle again');
  const { sources, compiled, revision } = opened.value;
  const now = current?.identity;
  if (
    current !== null &&
    now?.wasm === compiled.hash &&
    now.sources === sources.hash &&
    now.revision === revision
  ) {
    return { kind: 'loaded', policy: current, sources };
  }
  const loaded = await loadBundle(opened.value, options);
  if (!loaded.ok) return { kind: 'refused', problems: loaded.error };
  const { policy, leftToBuilder } = loaded.value;
  options.log.info('bundle taken; not checked here, and left to its builder', {
    revision,
    wasm: compiled.hash,
    signed: trust.value.verification !== null,
    unchecked: leftToBuilder,
  });
  return { kind: 'loaded', policy, sources };
}

/** A bundle in a file, loaded again when the file changes. */
export function bundleFile(file: string, options: BundleOptions): PolicyOrigin {
  let stamp = '';
  return {
    load: async (current) => {
      stamp = await look(file);
      let bytes: Buffer;
      try {
        bytes = await readBounded(file);
      } catch (cause) {
        const what = `the bundle ${file} cannot be read: ${errorText(cause)}`;
        return refuse('unreachable', what, 'check its path and rights');
      }
      return find(bytes, current, options);
    },
    forget: () => {
      stamp = '';
    },
    watch: (changed) =>
      // The folder: a file that is put in the place of another one is a new file.
      watchPath(dirname(file), false, async () => {
        if ((await look(file)) !== stamp) await changed();
      }),
  };
}

async function look(file: string): Promise<string> {
  try {
    const { mtimeNs, size, ino } = await stat(file, { bigint: true });
    return `${mtimeNs}-${size}-${ino}`;
  } catch (cause) {
    return `unreadable: ${errorText(cause)}`;
  }
}

/** One byte more than may be there at most: what is larger is refused by who opens it. */
async function readBounded(file: string): Promise<Buffer> {
  // Not blocking: opening a named pipe would wait for its writer for ever.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new Error('it is no file');
    const buffer = Buffer.alloc(Math.min(status.size, bundleBytesMax) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

export type BundlePolling = {
  readonly pollMs: number;
  readonly fetch: FetchBundle;
  /** Runs `run` once after `delayMs`; the answer cancels it. */
  readonly schedule: (delayMs: number, run: () => void) => () => void;
  /** From 0 to below 1. */
  readonly random: () => number;
};

/** The share of the interval by which a poll comes earlier or later: gateways that start together spread out. */
const jitterShare = 0.1;

/**
 * A bundle behind a URL, asked for again and again with the entity tag of the last answer that came into force (RFC 9110
 * §13.1.2). A refused bundle is fetched again, as OPA does: the reason may lie here, in a key that is replaced.
 */
export function bundleUrl(polling: BundlePolling, options: BundleOptions): PolicyOrigin {
  let etag = '';
  return {
    load: async (current) => {
      const fetched = await polling.fetch(current === null ? '' : etag);
      if (!fetched.ok) {
        return refuse('unreachable', fetched.error, 'check the server, its certificate and token');
      }
      if (fetched.value === 'unchanged') return { kind: 'same' };
      const found = await find(fetched.value.bytes, current, options);
      etag = found.kind === 'loaded' ? fetched.value.etag : '';
      return found;
    },
    forget: () => {
      etag = '';
    },
    watch: (changed) => {
      let cancel = (): void => {};
      let isOver = false;
      const next = (): void => {
        if (isOver) return;
        const share = 1 - jitterShare + 2 * jitterShare * polling.random();
        cancel = polling.schedule(polling.pollMs * share, () => void changed().finally(next));
      };
      next();
      return () => {
        isOver = true;
        cancel();
      };
    },
  };
}
