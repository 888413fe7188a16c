import { err, ok, type Result } from '../../../base/result.ts';
import type { FrameStream, StreamType } from '../frames.ts';
import type { HeaderBlock } from './header-block.ts';

const requestIdCharsMax = 64;
const streamTypes: readonly string[] = [
  'stdin',
  'stdout',
  'stderr',
  'error',
  'resize',
  'data',
] satisfies readonly StreamType[];

const isStreamType = (text: string): text is StreamType => streamTypes.includes(text);

/** The headers that open a stream (k8s.io/api core/v1 `StreamType`, `PortHeader`, `PortForwardRequestIDHeader`). */
export function toHeaders(stream: FrameStream): HeaderBlock {
  const headers = new Map([['streamtype', [stream.type]]]) as Map<string, readonly string[]>;
  if (stream.port !== null) headers.set('port', [String(stream.port)]);
  if (stream.requestId !== '') headers.set('requestid', [stream.requestId]);
  return headers;
}

/**
 * Reads what a peer's stream is for; other headers are dropped. The error says why it is refused. A header with two
 * values is refused: the cluster reads the first, so what was judged must not depend on which one is read.
 */
export function fromHeaders(headers: HeaderBlock): Result<FrameStream, string> {
  for (const name of ['streamtype', 'port', 'requestid']) {
    if ((headers.get(name)?.length ?? 0) > 1) return err(`${name} has more than one value`);
  }
  const type = headers.get('streamtype')?.[0] ?? '';
  if (!isStreamType(type)) return err('an unknown streamtype');
  const requestId = headers.get('requestid')?.[0] ?? '';
  if (requestId.length > requestIdCharsMax || !/^[\x21-\x7e]*$/.test(requestId)) {
    return err('a requestid that is too long or not printable');
  }
  const portText = headers.get('port')?.[0];
  if (portText === undefined) return ok({ type, port: null, requestId });
  const port = /^[1-9]\d{0,4}$/.test(portText) ? Number(portText) : 0;
  return port >= 1 && port <= 65_535
    ? ok({ type, port, requestId })
    : err('a port that is none of 1 to 65535');
}
