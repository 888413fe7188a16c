import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';

export type FakeUpstream = {
  readonly server: string;
  readonly ca: string;
  /** Every request, as it came over the wire. */
  readonly seen: {
    readonly method: string;
    readonly url: string;
    readonly version: string;
    readonly headers: Readonly<Record<string, unknown>>;
  }[];
  readonly close: () => Promise<void>;
};

type Serve = (request: Http2ServerRequest, response: Http2ServerResponse, count: number) => void;

/** A TLS server that speaks HTTP/2 and HTTP/1.1 (or only the latter), answering by script. */
export async function startFakeUpstream(
  serve: Serve,
  protocols: 'both' | 'h1' = 'both',
): Promise<FakeUpstream> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-upstream-'));
  const files = await ensureLocalCertificates(
    directory,
    ['127.0.0.1', 'localhost'],
    Date.now(),
    'upstream',
  );
  const seen: FakeUpstream['seen'] = [];
  const pair = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
  const server =
    protocols === 'h1' ? createServer(pair) : createSecureServer({ ...pair, allowHTTP1: true });
  const sockets = new Set<{ destroy: () => void }>();
  server.on('secureConnection', (socket: TLSSocket) => sockets.add(socket));
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { method, url, httpVersion, headers } = request;
    seen.push({ method, url, version: httpVersion, headers });
    request.on('error', () => {});
    response.on('error', () => {});
    serve(request, response, seen.length);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    server: `https://127.0.0.1:${port}`,
    ca: readFileSync(files.caFile, 'utf8'),
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
