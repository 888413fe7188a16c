import {
  createServer as createPlainServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { loopbackCertificates } from './http-receiver.ts';

/** A message of RFC 5424, taken apart. */
export type SyslogMessage = {
  readonly priority: number;
  readonly timestamp: string;
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly msgId: string;
  readonly dataId: string;
  readonly data: ReadonlyMap<string, string>;
  /** With its byte order mark. */
  readonly message: string;
};

/** The messages of a stream of octet-counted frames (RFC 5425 §4.3); throws where a frame is cut short. */
export function framesOf(stream: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const space = stream.indexOf(0x20, at);
    const count = stream.subarray(at, space).toString('latin1');
    if (!/^[1-9]\d*$/.test(count)) throw new Error(`no octet count: ${count}`);
    const frame = stream.subarray(space + 1, space + 1 + Number(count));
    if (frame.length < Number(count)) throw new Error('a frame was cut short');
    frames.push(frame);
    at = space + 1 + Number(count);
  }
  return frames;
}

/** The grammar of RFC 5424 §6 for messages with one element of structured data. */
const grammar =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) \[([\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32})((?: [\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] ([\s\S]*)$/;

export function readSyslogMessage(frame: Buffer): SyslogMessage {
  const match = grammar.exec(
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(frame),
  );
  if (match === null) throw new Error(`no message of RFC 5424: ${frame.toString()}`);
  const [, pri = '', timestamp = '', hostname = '', appName = '', procId = '', msgId = ''] = match;
  const [dataId = '', params = '', message = ''] = match.slice(7);
  const data = [...params.matchAll(/ ([^=]+)="((?:[^"\\\]]|\\["\\\]])*)"/g)].map(
    ([, name = '', value = '']) => [name, value.replaceAll(/\\(["\\\]])/g, '$1')] as const,
  );
  return {
    priority: Number(pri),
    timestamp,
    hostname,
    appName,
    procId,
    msgId,
    dataId,
    data: new Map(data),
    message,
  };
}

export type SyslogReceiver = {
  readonly port: number;
  readonly ca: string;
  /** What was sent on each connection that came to its end. */
  readonly connections: readonly Buffer[];
  readonly close: () => Promise<void>;
};

/**
 * A syslog server on loopback. `greet` may do something with each connection before anything is read of it; false keeps it
 * from being read.
 */
export async function startSyslogReceiver(options: {
  readonly tls: boolean;
  readonly requireClient?: boolean;
  readonly greet?: (socket: Socket, connection: number) => boolean;
}): Promise<SyslogReceiver> {
  const certificates = await loopbackCertificates();
  const connections: Buffer[] = [];
  const open = new Set<Socket>();
  let count = 0;
  const take = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    count += 1;
    if (options.greet?.(socket, count) === false) return;
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on('end', () => {
      connections.push(Buffer.concat(chunks));
      socket.end();
    });
  };
  const client = options.requireClient === true ? { requestCert: true, ca: certificates.ca } : {};
  const server: Server = options.tls
    ? createTlsServer({ cert: certificates.certificate, key: certificates.key, ...client }, take)
    : createPlainServer(take);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca: certificates.ca,
    connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
