import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls } from 'node:tls';

/** A request as it stands on the wire: nothing of it is normalised, whatever it says. */
export type RawRequest = {
  readonly protocol: 'http/1.1' | 'h2';
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
};

export type RawAnswer = {
  /** 0 where the connection ended before a status. */
  readonly status: number;
  /** Empty where the answer has none. */
  readonly auditId: string;
  /** False where the client gave up waiting for the end. */
  readonly ended: boolean;
  /** The server's HTTP parser refused the bytes: no request came of them. */
  readonly noHttp: boolean;
};

export type RawClient = {
  readonly send: (request: RawRequest) => Promise<RawAnswer>;
  readonly close: () => void;
};

export type RawClientOptions = {
  /** `https://host:port`. */
  readonly url: string;
  readonly ca: Buffer;
  /** After this a request that has not ended is given up, as a client that leaves. */
  readonly timeoutMs: number;
};

const headBytesMax = 64 * 1024;

/**
 * Sends requests without an HTTP library between the caller's bytes and the wire: such libraries fold dot segments,
 * encode, or refuse what a hostile client can send. HTTP/1.1 opens a connection for each request, HTTP/2 shares one.
 */
export function createRawClient(options: RawClientOptions): RawClient {
  let session: ClientHttp2Session | null = null;
  const http2 = (): ClientHttp2Session => {
    if (session !== null && !session.closed && !session.destroyed) return session;
    session = connectHttp2(options.url, { ca: options.ca });
    session.on('error', () => {}); // the streams on it see it too
    return session;
  };
  return {
    send: (request) =>
      request.protocol === 'h2'
        ? sendHttp2(http2(), request, options)
        : sendHttp1(request, options),
    close: () => session?.destroy(),
  };
}

function headOf(request: RawRequest, host: string): string {
  const lines = [
    `${request.method} ${request.target} HTTP/1.1`,
    `host: ${host}`,
    'connection: close',
    ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`),
    ...(request.body === null ? [] : [`content-length: ${request.body.length}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function sendHttp1(request: RawRequest, options: RawClientOptions): Promise<RawAnswer> {
  const url = new URL(options.url);
  return new Promise((resolve) => {
    let head = '';
    let complete = false;
    const socket = connectTls({
      host: url.hostname,
      port: Number(url.port),
      ca: options.ca,
      ALPNProtocols: ['http/1.1'],
    });
    const timer = setTimeout(() => socket.destroy(), options.timeoutMs);
    socket.on('secureConnect', () => {
      socket.write(headOf(request, url.host), 'latin1');
      if (request.body !== null) socket.write(request.body);
    });
    socket.on('data', (chunk: Buffer) => {
      if (!head.includes('\r\n\r\n') && head.length < headBytesMax)
        head += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('end', () => (complete = true));
    socket.on('close', () => {
      clearTimeout(timer);
      const [lines = ''] = head.split('\r\n\r\n', 1);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(lines)?.[1] ?? 0);
      const auditId = /^audit-id: *(\S+)/im.exec(lines)?.[1] ?? '';
      resolve({ status, auditId, ended: complete, noHttp: status === 400 && auditId === '' });
    });
  });
}

function sendHttp2(
  session: ClientHttp2Session,
  request: RawRequest,
  options: RawClientOptions,
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let status = 0;
    let auditId = '';
    let complete = false;
    const stream = session.request(
      { ':method': request.method, ':path': request.target, ...request.headers },
      { endStream: request.body === null },
    );
    const timer = setTimeout(() => stream.close(), options.timeoutMs);
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
      const given = headers['audit-id'];
      auditId = typeof given === 'string' ? given : '';
    });
    stream.on('error', () => {});
    stream.on('end', () => (complete = true));
    stream.on('close', () => {
      clearTimeout(timer);
      const reset = stream.rstCode === constants.NGHTTP2_PROTOCOL_ERROR;
      resolve({ status, auditId, ended: complete, noHttp: status === 0 && reset });
    });
    stream.resume();
    if (request.body !== null) stream.end(request.body);
  });
}
