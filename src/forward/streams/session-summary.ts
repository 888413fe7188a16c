import { GatheredBytes } from '../../base/gathered-bytes.ts';
import { isJsonArray, isJsonObject, textAt } from '../../kube/json-guards.ts';
import { parseJson } from '../../kube/json.ts';
import type { StreamType } from './frames.ts';
import type { Frame, Tap } from './tap.ts';

/** What passed in a session: for its record. */
type SessionSummary = {
  /** Bytes by stream type and direction; only what was there. */
  readonly bytes: Readonly<Partial<Record<`${'up' | 'down'}/${StreamType}`, number>>>;
  /** The command's exit code; null where none was said. */
  readonly exitCode: number | null;
  /** The message of the Status on the error stream where it is a failure other than an exit code. */
  readonly failure: string;
  /** Ports that were forwarded, in the order of their first use. */
  readonly ports: readonly number[];
  /** Forwarded connections. */
  readonly connections: number;
};

/** A Status is a few hundred bytes; one on an error stream of exec may come in parts over SPDY. */
const statusBytesMax = 64 * 1024;
const portsMax = 100;
const failureCharsMax = 1000;

type Ending = Pick<SessionSummary, 'exitCode' | 'failure'>;

/**
 * What the error stream of exec and attach says at the end (v4 and later): one metav1.Status; Success, or a Failure
 * whose reason NonZeroExitCode carries the code in details.causes (kubelet pkg/kubelet/cri/streaming/remotecommand).
 */
export function readExit(document: Buffer): Ending {
  const nothing: Ending = { exitCode: null, failure: '' };
  if (document.length === 0) return nothing;
  const parsed = parseJson(document);
  if (!parsed.ok || !isJsonObject(parsed.value))
    return { exitCode: null, failure: document.toString('utf8', 0, failureCharsMax) };
  const status = parsed.value;
  if (textAt(status, 'status') === 'Success') return { exitCode: 0, failure: '' };
  const { details } = status;
  const causes = isJsonObject(details) ? details['causes'] : undefined;
  const cause = isJsonArray(causes)
    ? causes.find((one) => isJsonObject(one) && textAt(one, 'reason') === 'ExitCode')
    : undefined;
  const code = isJsonObject(cause) ? textAt(cause, 'message') : '';
  if (textAt(status, 'reason') === 'NonZeroExitCode' && /^-?\d{1,9}$/.test(code))
    return { exitCode: Number(code), failure: '' };
  return { exitCode: null, failure: textAt(status, 'message').slice(0, failureCharsMax) };
}

/** A tap that counts what passes and changes nothing; `summary` tells it so far. */
export function summaryTap(): { readonly tap: Tap; readonly summary: () => SessionSummary } {
  const bytes: Partial<Record<`${'up' | 'down'}/${StreamType}`, number>> = {};
  const ports = new Set<number>();
  const status = new GatheredBytes(statusBytesMax);
  let connections = 0;
  const tap = ({ direction, stream, kind, bytes: content }: Frame): Buffer => {
    if (kind === 'open' && stream.port !== null && stream.type === 'data') {
      connections += 1;
      if (ports.size < portsMax) ports.add(stream.port);
    }
    if (kind !== 'data') return content;
    const key = `${direction}/${stream.type}` as const;
    bytes[key] = (bytes[key] ?? 0) + content.length;
    const isStatus = direction === 'down' && stream.type === 'error' && stream.port === null;
    if (isStatus) status.add(content);
    return content;
  };
  return {
    tap,
    summary: () => ({
      bytes: { ...bytes },
      ...readExit(status.bytes()),
      ports: [...ports],
      connections,
    }),
  };
}
