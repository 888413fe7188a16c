import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';

export type ReceivedPost = {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
};

export type ReceiverAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

export type HttpReceiver = {
  /** Without a slash at its end. */
  readonly url: string;
  /** PEM of the CA of its certificate; null without TLS. */
  readonly ca: string | null;
  readonly received: readonly ReceivedPost[];
  /** What the next requests are answered, in turn; then 200. */
  readonly answers: ReceiverAnswer[];
  readonly close: () => Promise<void>;
};

/** A server on loopback that keeps what it is sent. */
export async function startHttpReceiver(options: { tls: boolean }): Promise<HttpReceiver> {
  const received: ReceivedPost[] = [];
  const answers: ReceiverAnswer[] = [];
  const certificates = options.tls ? await loopbackCertificates() : null;
  const server: Server =
    certificates === null
      ? createPlainServer()
      : createTlsServer({ cert: certificates.certificate, key: certificates.key });
  server.on('request', (request: IncomingMessage, response) => {
    void buffer(request).then((body) => {
      const { url = '', method = '', headers } = request;
      received.push({ path: url, method, headers, body });
      const answer = answers.shift() ?? { status: 200 };
      response.writeHead(answer.status, { ...answer.headers }).end(answer.body ?? '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    ca: certificates?.ca ?? null,
    received,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export type LoopbackCertificates = {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
};

/** A CA of its own and a certificate of it for loopback: PEM texts. */
export async function loopbackCertificates(): Promise<LoopbackCertificates> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-receiver-'));
  try {
    const names = ['localhost', '127.0.0.1'];
    const files = await ensureLocalCertificates(directory, names, Date.now(), 'receiver');
    return {
      ca: readFileSync(files.caFile, 'utf8'),
      certificate: readFileSync(files.certificateFile, 'utf8'),
      key: readFileSync(files.keyFile, 'utf8'),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
