import { createServer, type Server } from 'node:net';

/** Listens on a loopback port (0 picks one); null where it is taken. */
function hold(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/**
 * One free loopback TCP port for each of `wanted`, in order: the wanted number where it is free, else one that the
 * system picks. All are held until the last is found, so no two are the same.
 */
export async function freePorts(wanted: readonly number[]): Promise<readonly number[]> {
  const held: Server[] = [];
  try {
    for (const port of wanted) {
      const server = (await hold(port)) ?? (await hold(0));
      if (server === null) throw new Error('no free TCP port on 127.0.0.1');
      held.push(server);
    }
    return held.map(portOf);
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
