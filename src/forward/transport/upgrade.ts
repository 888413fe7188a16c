import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { StopSignal } from '../../base/stop-signal.ts';
import { answerHeaders } from '../headers.ts';
import type { UpgradeAnswer } from '../upstream.ts';
import { addressOf, brokenOff, unreachable, type Endpoint } from './transport.ts';

type Header = readonly [string, string];

/** An upgrade request with every header that leaves, identity included. */
export type OutgoingUpgrade = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly signal: StopSignal;
};

const connectTimeoutMs = 10_000;
/** The API server connects to the kubelet before it answers; its own bound is 30 s. Milliseconds. */
const answerTimeoutMs = 60_000;
const keepAliveDelayMs = 30_000;
/** A Status with a long message. */
const refusalBytesMax = 1024 * 1024;
const headBytesMax = 64 * 1024;

function pairsOf(raw: readonly string[]): Header[] {
  const pairs: Header[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2)
    pairs.push([(raw[at] ?? '').toLowerCase(), raw[at + 1] ?? '']);
  return pairs;
}

/** A request on a connection of its own: nothing is written before `end`. */
function openRequest(endpoint: Endpoint, outgoing: OutgoingUpgrade): ClientRequest {
  return httpsRequest({
    ...endpoint.tls,
    ...addressOf(endpoint),
    method: outgoing.method,
    path: outgoing.target,
    headers: Object.fromEntries(grouped(outgoing.headers)),
    // No ALPN either: HTTP/2 has no upgrades, and Go serves HTTP/1.1 to whoever asks for nothing.
    agent: false,
    setHost: false,
    rejectUnauthorized: true,
    maxHeaderSize: headBytesMax,
    insecureHTTPParser: false,
  });
}

/**
 * Asks the cluster for an upgrade, on a connection that nothing else ever uses. Only a 101 hands over its socket; any other
 * answer is read whole and its connection destroyed, so that nothing can be smuggled behind it (CVE-2018-1002105).
 */
export function sendUpgrade(
  endpoint: Endpoint,
  outgoing: OutgoingUpgrade,
): Promise<Result<UpgradeAnswer, Refusal>> {
  return new Promise((resolve) => {
    const request = openRequest(endpoint, outgoing);
    let sent = false;
    const onAbort = (): void => void request.destroy(new Error('the client left'));
    const settle = (result: Result<UpgradeAnswer, Refusal>): void => {
      clearTimeout(timer);
      outgoing.signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const late = (): void => void request.destroy(new Error('no answer in time'));
    let timer = setTimeout(late, connectTimeoutMs);
    outgoing.signal.addEventListener('abort', onAbort, { once: true });
    // Keystrokes must not wait for Nagle, nor a half-open connection for ever.
    request.setNoDelay(true);
    request.setSocketKeepAlive(true, keepAliveDelayMs);
    request.on('socket', (socket) =>
      socket.once('secureConnect', () => {
        sent = true;
        clearTimeout(timer);
        timer = setTimeout(late, answerTimeoutMs);
      }),
    );
    request.on('upgrade', (response, socket, head) => {
      // Errors that come before a leg takes over belong to nobody: without a listener they would end the process.
      socket.on('error', () => {});
      if (response.statusCode === 101) {
        settle(ok({ kind: 'switched', headers: pairsOf(response.rawHeaders), socket, head }));
        return;
      }
      socket.destroy();
      settle(err(malformed(`an upgrade was answered with ${response.statusCode ?? 0}`)));
    });
    request.on('response', (response) => {
      // To Node a 101 without "Connection: Upgrade" is a plain answer: passed on, it would switch the client's side alone.
      const { statusCode = 0 } = response;
      if (statusCode < 200) {
        request.destroy();
        settle(err(malformed(`it answered ${statusCode} without an upgrade`)));
        return;
      }
      void readAnswer(response).then((read) => {
        request.destroy();
        settle(read);
      });
    });
    request.on('error', (cause) => settle(err(sent ? brokenOff(cause) : unreachable(cause))));
    request.end();
    // The client may have left while the credential was read: nobody would ever abort this request.
    if (outgoing.signal.aborted) onAbort();
  });
}

/** Node takes repeated headers as a list; its own names are kept as they are. */
function grouped(headers: readonly Header[]): Map<string, string | string[]> {
  const map = new Map<string, string | string[]>();
  for (const [name, value] of headers) {
    const before = map.get(name);
    map.set(name, before === undefined ? value : [before, value].flat());
  }
  return map;
}

async function readAnswer(response: IncomingMessage): Promise<Result<UpgradeAnswer, Refusal>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      if (!Buffer.isBuffer(chunk)) continue;
      bytes += chunk.length;
      if (bytes > refusalBytesMax)
        return err(malformed(`its answer is larger than ${refusalBytesMax} bytes`));
      chunks.push(chunk);
    }
  } catch (cause) {
    return err(brokenOff(cause instanceof Error ? cause : new Error(String(cause))));
  }
  const headers = answerHeaders(response.headers);
  const status = response.statusCode ?? 0;
  return ok({ kind: 'answer', status, headers, body: Buffer.concat(chunks, bytes) });
}

const malformed = (detail: string): Refusal =>
  refusal('HOLDGATE_FORWARD_BROKEN', 'the cluster did not answer the upgrade as HTTP wants it', {
    detail,
  });
