import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { askHttp2Peer } from '../../base/ask-http2-peer.ts';
import { AnswerBody } from './answer-body.ts';
import { toAnswer } from './http1-pool.ts';
import { addressOf, brokenOff, unreachable } from './transport.ts';
import type { Endpoint, Outgoing, SendEnd } from './transport.ts';

const connectTimeoutMs = 10_000;
/** A session that is late with an answer takes no new streams; after `pingAnswerMs` it is dead. */
const pingIntervalMs = 5000;
const pingAnswerMs = 15_000;
/** What a server that says nothing allows (kube-apiserver's own default). */
const streamsDefault = 100;

/** Watches and `logs -f` share HTTP/2 sessions: 17 KB a watch, against a TLS connection each. */
export type Http2Sessions = {
  /** `unsupported`: the server does not speak HTTP/2, take another transport. Nothing was sent then. */
  readonly send: (request: Outgoing) => Promise<SendEnd | 'unsupported'>;
  readonly close: () => void;
};

type Session = { readonly session: ClientHttp2Session; open: number; isLate: boolean };

function openSocket(endpoint: Endpoint): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...addressOf(endpoint),
      ALPNProtocols: ['h2', 'http/1.1'],
      rejectUnauthorized: true,
      ...endpoint.tls,
    });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.setNoDelay(true);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', (cause) => {
      clearTimeout(timer);
      reject(cause);
    });
  });
}

export function createHttp2Sessions(endpoint: Endpoint): Http2Sessions {
  const sessions = new Set<Session>();
  let opening: Promise<Session | 'unsupported'> | null = null;
  let closed = false;

  const open = async (): Promise<Session | 'unsupported'> => {
    const socket = await openSocket(endpoint);
    if (closed) {
      socket.destroy();
      throw new Error('the upstream was closed');
    }
    if (socket.alpnProtocol !== 'h2') {
      socket.destroy();
      return 'unsupported';
    }
    const session = connectHttp2(endpoint.origin, { createConnection: () => socket });
    const entry: Session = { session, open: 0, isLate: false };
    const forget = (): void => void sessions.delete(entry);
    // After a GOAWAY open streams go on, and new ones take another session.
    session.on('close', forget).on('error', forget).on('goaway', forget);
    askHttp2Peer(session, socket, {
      intervalMs: pingIntervalMs,
      answerMs: pingAnswerMs,
      late: (isLate) => (entry.isLate = isLate),
    });
    sessions.add(entry);
    return entry;
  };

  const usable = (): Session | undefined => {
    for (const entry of sessions) {
      const { session } = entry;
      const limit = session.remoteSettings?.maxConcurrentStreams ?? streamsDefault;
      const isOpen = !session.closed && !session.destroyed && !entry.isLate;
      if (isOpen && entry.open < limit) return entry;
    }
    return undefined;
  };

  const acquire = async (): Promise<Session | 'unsupported'> => {
    for (;;) {
      const entry = usable();
      if (entry !== undefined) return entry;
      // One at a time: a thousand informers that come back together share what the first opens.
      opening ??= open().finally(() => {
        opening = null;
      });
      const opened = await opening;
      if (opened === 'unsupported' || opened.open === 0) return opened;
    }
  };

  return {
    send: async (request) => {
      let entry: Session | 'unsupported';
      try {
        entry = await acquire();
      } catch (cause) {
        const reason = cause instanceof Error ? cause : new Error(String(cause));
        return { kind: 'failed', refusal: unreachable(reason), sent: false };
      }
      return entry === 'unsupported' ? entry : sendOn(entry, endpoint, request);
    },
    close: () => {
      closed = true;
      for (const { session } of sessions) session.destroy();
    },
  };
}

function sendOn(entry: Session, endpoint: Endpoint, request: Outgoing): Promise<SendEnd> {
  entry.open += 1;
  const headers: Record<string, string> = {
    ':method': request.method,
    ':path': request.target,
    ':scheme': 'https',
    ':authority': new URL(endpoint.origin).host,
  };
  for (const [name, value] of request.headers) if (name !== 'host') headers[name] = value;
  const stream = entry.session.request(headers, { endStream: request.body === null });
  if (request.body !== null) stream.end(request.body);
  return new Promise((resolve) => {
    let body: AnswerBody | null = null;
    const abort = (): void => {
      stream.close(constants.NGHTTP2_CANCEL);
      // An answer that has ended, and was not read, is closed already: only this lets go of it, and of its place.
      stream.destroy();
    };
    request.signal.addEventListener('abort', abort, { once: true });
    if (request.signal.aborted) abort();
    const fail = (cause: Error): void => {
      if (body === null) resolve({ kind: 'failed', refusal: brokenOff(cause), sent: true });
      else body.fail(brokenOff(cause));
    };
    stream.on('response', (received) => {
      const made = new AnswerBody({
        pause: () => stream.pause(),
        resume: () => stream.resume(),
        abort,
      });
      body = made;
      stream.on('data', (chunk: Buffer) => made.data(chunk));
      stream.pause();
      resolve({
        kind: 'answer',
        answer: toAnswer(received[':status'] ?? 0, received, made),
      });
    });
    stream.on('end', () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) body?.finish();
    });
    stream.on('error', fail);
    stream.on('close', () => {
      entry.open -= 1;
      request.signal.removeEventListener('abort', abort);
      // After a clean end this changes nothing: the body is settled.
      fail(new Error(`the stream was closed with code ${stream.rstCode}`));
    });
  });
}
