import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';

/** The far ends of port-forward scenarios: nodestub dials the pod's port on loopback. */
export type LoopbackServers = {
  /** Answers every request with its method, its path and the size of its body. */
  readonly httpPort: number;
  /** Sends back what it gets; closes when the other side has. */
  readonly echoPort: number;
  /** Nobody listens there. */
  readonly closedPort: number;
  readonly close: () => Promise<void>;
};

async function listen(server: Server | HttpServer): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

const closed = (server: Server | HttpServer): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

export async function startLoopbackServers(): Promise<LoopbackServers> {
  const http = createHttpServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => response.end(`${request.method} ${request.url} ${bytes}\n`));
  });
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const free = createServer();
  const [httpPort, echoPort, closedPort] = [
    await listen(http),
    await listen(echo),
    await listen(free),
  ];
  await closed(free);
  return {
    httpPort,
    echoPort,
    closedPort,
    close: async () => {
      http.closeAllConnections();
      await Promise.all([closed(http), closed(echo)]);
    },
  };
}
