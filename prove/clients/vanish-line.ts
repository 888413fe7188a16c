import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { overTcp } from '../support/over-tcp.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** What every kind of vanishing needs. */
export type VanishTarget = {
  readonly port: number;
  readonly ca: string;
  readonly token: string;
  readonly pod: string;
  readonly namespace: string;
};

/** One vanishing. Requests carry a marker as their user agent, by which the records are found again. */
export type Vanishing = VanishTarget & {
  readonly random: SeededRandom;
  readonly marker: string;
  /** A whole request head was written. */
  readonly sent: (marker: string) => void;
  /** A byte of the answer came. */
  readonly answered: (marker: string) => void;
};

/** A way to vanish; resolves when the connection is gone. */
export type Kind = { readonly name: string; readonly run: (one: Vanishing) => Promise<void> };

/** A client's connection; the TCP socket is kept, because only it can be reset. */
export type Line = { readonly raw: Socket; readonly tls: TLSSocket };

const host = '127.0.0.1';

export function openTcp({ port }: VanishTarget): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const raw = connectTcp({ host, port });
    raw.once('error', reject);
    raw.once('connect', () => {
      raw.off('error', reject).on('error', () => {});
      resolve(raw);
    });
  });
}

/** TLS over a connection that may break at any moment: its errors are of no interest. */
export function beginTls(raw: Socket, { ca }: VanishTarget, protocol: 'http/1.1' | 'h2'): Line {
  const tls = connectTls({ socket: overTcp(raw), host, ca, ALPNProtocols: [protocol] });
  tls.on('error', () => {});
  return { raw, tls };
}

export async function openLine(
  one: VanishTarget,
  protocol: 'http/1.1' | 'h2' = 'http/1.1',
): Promise<Line> {
  const line = beginTls(await openTcp(one), one, protocol);
  await new Promise<void>((resolve, reject) => {
    line.tls.once('secureConnect', resolve);
    line.tls.once('close', () => reject(new Error('closed before the handshake was over')));
  });
  return line;
}

function closed(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => void socket.once('close', () => resolve()));
}

/** Leaves as processes, networks and kernels do: an orderly FIN, a socket that is dropped, a reset. */
export async function leave({ raw, tls }: Line, { random }: Vanishing): Promise<void> {
  const how = random.below(3);
  if (how === 0) {
    tls.end();
    tls.resume();
    // The other side may keep its half open while it still sends; then we go all the same.
    await Promise.race([closed(tls), delay(100)]);
  } else if (how === 1) raw.resetAndDestroy();
  tls.destroy();
  raw.destroy();
  await closed(raw);
}

/** Waits a moment that differs from one vanishing to the next. */
export const moment = ({ random }: Vanishing, msMax: number): Promise<void> =>
  delay(random.below(msMax + 1));

export type HeadOptions = {
  readonly method?: string;
  readonly headers?: readonly string[];
};

/** A request's head, with the caller's token and the marker. */
export function headText(
  { token, marker }: Vanishing,
  path: string,
  { method = 'GET', headers = [] }: HeadOptions = {},
): string {
  return [
    `${method} ${path} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${token}`,
    `user-agent: ${marker}`,
    'accept: application/json',
    ...headers,
    '',
    '',
  ].join('\r\n');
}

/** Sends a request's head, and whatever follows it. */
export function sendHead(
  line: Line,
  one: Vanishing,
  path: string,
  options: HeadOptions = {},
  body = '',
): void {
  line.tls.write(headText(one, path, options) + body);
  one.sent(one.marker);
}

/** Reads what comes until a head is whole. Null: the connection ended before. */
export function readHead(line: Line, one: Vanishing): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const settle = (head: string | null): void => {
      line.tls.off('data', onData).off('close', onClose).off('end', onClose);
      line.tls.pause();
      resolve(head);
    };
    const onData = (chunk: Buffer): void => {
      one.answered(one.marker);
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end >= 0) settle(text.slice(0, end));
    };
    const onClose = (): void => settle(null);
    line.tls.on('data', onData).on('close', onClose).on('end', onClose);
  });
}

/** Reads to the end of the connection, for no longer than `msMax`; true when it ended. */
export async function readToEnd(line: Line, one: Vanishing, msMax: number): Promise<boolean> {
  line.tls.on('data', () => one.answered(one.marker));
  line.tls.resume();
  const ended = new Promise<boolean>((resolve) => {
    line.tls.once('end', () => resolve(true)).once('close', () => resolve(true));
    if (line.tls.closed) resolve(true);
  });
  const late = new AbortController();
  const first = await Promise.race([
    ended,
    delay(msMax, false, { signal: late.signal }).catch(() => false),
  ]);
  late.abort();
  return first;
}
