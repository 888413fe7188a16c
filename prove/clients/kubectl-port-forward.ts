import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { start, type Background } from '../support/processes.ts';
import { sha256, speed, type Wire } from './kubectl-exec.ts';
import type { LoopbackServers } from './loopback-servers.ts';
import { levelled, type Facts, type Scenario, type Side } from './scenario.ts';

const connectionCount = 50;
const echoBytes = 256 * 2 ** 10;
const bigBytes = 16 * 2 ** 20;
const connectionTimeoutMs = 60_000;

type Forward = { readonly port: number; readonly process: Background };

/** Starts `kubectl port-forward` and hands in its local port; ends it after. */
async function withForward<T>(
  side: Side,
  wire: Wire,
  remotePort: number,
  use: (forward: Forward) => Promise<T>,
): Promise<T> {
  const [program, ...args] = side.command(['port-forward', 'pod/box', `:${remotePort}`]);
  const process = start(program, args, {
    env: { ...side.env, ...wire.env },
    logFile: join(side.directory, 'port-forward.log'),
  });
  try {
    const match = await process.until(/Forwarding from 127\.0\.0\.1:(\d+)/, 30_000);
    return await use({ port: Number(match[1]), process });
  } finally {
    await process.stop('SIGINT');
  }
}

/** Sends bytes, ends the sending half, and reads to the other half's end: what came back, or how it broke. */
function exchange(port: number, bytes: Buffer): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    let length = 0;
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const end = (value: Buffer | string): void => {
      resolve(value);
      socket.destroy();
    };
    socket.setTimeout(connectionTimeoutMs, () => end(`silent after ${length} bytes`));
    socket.on('error', (error) => end(error.message));
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      length += chunk.length;
      // Half-closing before everything is back would test how fast the far end gives up, not the bytes.
      if (length >= bytes.length) socket.end();
    });
    socket.on('end', () => end(Buffer.concat(received)));
    socket.write(bytes);
  });
}

async function echoed(port: number, count: number, bytes: number): Promise<Facts> {
  const sent = Array.from({ length: count }, () => randomBytes(bytes));
  const back = await Promise.all(sent.map((one) => exchange(port, one)));
  const wrong = back.filter(
    (one, index) => typeof one === 'string' || sha256(one) !== sha256(sent[index]!),
  );
  const texts = wrong.map((one) => (typeof one === 'string' ? one : `${one.length} other bytes`));
  return { connections: count, wrong: wrong.length, faults: [...new Set(texts)].join(', ') };
}

const levelledForward = (text: string, forward: Forward, side: Side): string =>
  levelled(text, side)
    .replaceAll(String(forward.port), '<port>')
    .replace(/Forwarding from .*\n/g, '')
    .replace(/Handling connection for <port>\n/g, '')
    .replace(/127\.0\.0\.1:\d+->127\.0\.0\.1:/g, '127.0.0.1:<port>->127.0.0.1:');

/** `kubectl port-forward`, over one protocol. */
export function portForwardScenarios(wire: Wire, servers: LoopbackServers): readonly Scenario[] {
  const name = (what: string): string => `kubectl port-forward (${wire.wire}): ${what}`;
  return [
    {
      name: name('HTTP'),
      expected: { status: 200, answer: 'POST /some/path 1000\n' },
      run: (side) =>
        withForward(side, wire, servers.httpPort, async (forward) => {
          const answer = await request(`http://127.0.0.1:${forward.port}/some/path`, {
            method: 'POST',
            body: 'x'.repeat(1000),
            reset: true,
          });
          return { facts: { status: answer.statusCode, answer: await answer.body.text() } };
        }),
    },
    {
      name: name(
        `${connectionCount} connections at once, ${echoBytes / 2 ** 10} KiB echoed on each`,
      ),
      expected: { connections: connectionCount, wrong: 0 },
      run: (side) =>
        withForward(side, wire, servers.echoPort, async (forward) => ({
          facts: await echoed(forward.port, connectionCount, echoBytes),
        })),
    },
    {
      name: name(`${bigBytes / 2 ** 20} MiB echoed on one connection`),
      expected: { connections: 1, wrong: 0 },
      measured: true,
      run: (side) =>
        withForward(side, wire, servers.echoPort, async (forward) => {
          const startedMs = performance.now();
          const facts = await echoed(forward.port, 1, bigBytes);
          return { facts, figure: speed(2 * bigBytes, performance.now() - startedMs) };
        }),
    },
    {
      name: name('one connection after another'),
      expected: { wrong: 0 },
      run: (side) =>
        withForward(side, wire, servers.echoPort, async (forward) => {
          let wrong = 0;
          for (let index = 0; index < 20; index += 1) {
            wrong += Number((await echoed(forward.port, 1, 1000))['wrong']);
          }
          return { facts: { wrong } };
        }),
    },
    {
      name: name('to a port that nobody listens on'),
      expected: { said: /connection refused/ },
      run: (side) =>
        withForward(side, wire, servers.closedPort, async (forward) => {
          const back = await exchange(forward.port, Buffer.from('x'));
          await forward.process.until(/refused/, 30_000).catch(() => {});
          await delay(500); // kubectl says that the connection is lost, and ends, after it printed the reason
          const ended = await Promise.race([forward.process.ended, delay(3000, 'still running')]);
          return {
            facts: {
              bytesBack: typeof back === 'string' ? 0 : back.length,
              said: levelledForward(forward.process.output(), forward, side),
              ended: String(ended),
            },
          };
        }),
    },
  ];
}
