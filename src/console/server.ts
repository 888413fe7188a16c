import { createServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import type { Certificates } from '../listen/index.ts';
import type { createPeopleApp } from './app.ts';

export type PeopleServerOptions = {
  readonly address: string;
  readonly port: number;
  readonly certificates: Certificates;
  readonly app: ReturnType<typeof createPeopleApp>;
};

const headersTimeoutMs = 20_000;
const requestTimeoutMs = 60_000;
const headerBytesMax = 64 * 1024;

/** Opens the people's port: TLS always. */
export async function createPeopleServer(
  options: PeopleServerOptions,
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const serve = getRequestListener(options.app.fetch);
  const server = createServer(
    {
      ...options.certificates.current(),
      minVersion: 'TLSv1.2',
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      noDelay: true,
    },
    (request, response) => void serve(request, response),
  );
  options.certificates.onChange((pair) =>
    server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.address, port: options.port }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 2000).unref();
      }),
  };
}
