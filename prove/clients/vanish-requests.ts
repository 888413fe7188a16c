import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import {
  beginTls,
  headText,
  leave,
  moment,
  openLine,
  openTcp,
  readHead,
  sendHead,
  type Kind,
  type Line,
  type Vanishing,
} from './vanish-line.ts';

const list = ({ namespace }: Vanishing): string => `/api/v1/namespaces/${namespace}/configmaps`;
const watch = (one: Vanishing): string => `${list(one)}?watch=true`;

/** The head of a TLS record and of a ClientHello of 508 bytes, of which few follow. */
const HELLO = Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);

/** Sockets of a handshake that never was: nothing to record. */
const handshakes: readonly Kind[] = [
  {
    name: 'TCP connection, then gone',
    run: async (one) => {
      const raw = await openTcp(one);
      await moment(one, 10);
      if (one.random.below(2) === 0) raw.resetAndDestroy();
      else raw.destroy();
    },
  },
  {
    name: 'half a ClientHello',
    run: async (one) => {
      const raw = await openTcp(one);
      raw.write(Buffer.concat([HELLO, one.random.bytes(one.random.below(400))]));
      await moment(one, 10);
      if (one.random.below(2) === 0) raw.resetAndDestroy();
      else raw.destroy();
    },
  },
  {
    name: 'gone in the TLS handshake',
    run: async (one) => {
      const line = beginTls(await openTcp(one), one, 'http/1.1');
      await moment(one, 4);
      await leave(line, one);
    },
  },
  {
    name: 'gone after the TLS handshake',
    run: async (one) => leave(await openLine(one), one),
  },
];

const halfText = (text: string, { random }: Vanishing): string =>
  text.slice(0, 1 + random.below(text.length - 4));

const http1: readonly Kind[] = [
  {
    name: 'half a request head',
    run: async (one) => {
      const line = await openLine(one);
      line.tls.write(halfText(headText(one, list(one)), one));
      await moment(one, 10);
      await leave(line, one);
    },
  },
  {
    name: 'half a request body',
    run: async (one) => {
      const line = await openLine(one);
      const headers = ['content-type: application/json', 'content-length: 5000'];
      const body = '{"kind":"ConfigMap","apiVersion":"v1","data":{"a":"'.padEnd(2500, 'x');
      sendHead(line, one, list(one), { method: 'POST', headers }, body);
      await moment(one, 30);
      await leave(line, one);
    },
  },
  {
    name: 'list, gone at once',
    run: async (one) => {
      const line = await openLine(one);
      sendHead(line, one, list(one));
      await moment(one, 8);
      await leave(line, one);
    },
  },
  {
    name: 'list, answer not read',
    run: async (one) => {
      const line = await openLine(one);
      sendHead(line, one, list(one));
      line.tls.pause();
      await moment(one, 300);
      await leave(line, one);
    },
  },
  {
    name: 'list, gone in the answer',
    run: async (one) => {
      const line = await openLine(one);
      sendHead(line, one, list(one));
      await readHead(line, one);
      await leave(line, one);
    },
  },
  {
    name: 'watch over HTTP/1.1',
    run: async (one) => {
      const line = await openLine(one);
      sendHead(line, one, watch(one));
      if (one.random.below(2) === 0) await readHead(line, one);
      else await moment(one, 10);
      await leave(line, one);
    },
  },
];

type Session = { readonly session: ClientHttp2Session; readonly line: Line };

async function openHttp2(one: Vanishing): Promise<Session> {
  const line = await openLine(one, 'h2');
  const session = connectHttp2('https://127.0.0.1', { createConnection: () => line.tls });
  session.on('error', () => {});
  return { session, line };
}

/** Opens a stream; `first` resolves with true at its first data, false when it ended before. */
function ask({ session }: Session, one: Vanishing, path: string, marker = one.marker) {
  const stream = session.request({
    ':path': path,
    authorization: `Bearer ${one.token}`,
    'user-agent': marker,
  });
  one.sent(marker);
  stream.on('error', () => {});
  stream.on('response', () => one.answered(marker));
  const first = new Promise<boolean>((resolve) => {
    stream.once('data', () => {
      stream.pause();
      resolve(true);
    });
    stream.once('close', () => resolve(false));
  });
  return { stream, first };
}

const http2: readonly Kind[] = [
  {
    name: 'RST_STREAM in the answer',
    run: async (one) => {
      const opened = await openHttp2(one);
      const { stream, first } = ask(opened, one, list(one));
      if (one.random.below(2) === 0) await first;
      else await moment(one, 10);
      stream.close(constants.NGHTTP2_CANCEL);
      // The connection lives on for a while: what the stream held must not wait for its end.
      await delay(50);
      await leave(opened.line, one);
    },
  },
  {
    name: 'GOAWAY in the answer',
    run: async (one) => {
      const opened = await openHttp2(one);
      const { first } = ask(opened, one, list(one));
      await first;
      opened.session.goaway(constants.NGHTTP2_INTERNAL_ERROR);
      await moment(one, 20);
      await leave(opened.line, one);
    },
  },
  {
    name: '20 open streams, connection gone',
    run: async (one) => {
      const opened = await openHttp2(one);
      const asked = Array.from({ length: 20 }, (_, at) =>
        ask(opened, one, at % 4 === 0 ? list(one) : watch(one), `${one.marker}.${at}`),
      );
      if (one.random.below(2) === 0) await Promise.race(asked.map(({ first }) => first));
      else await moment(one, 20);
      await leave(opened.line, one);
    },
  },
  {
    name: 'watch over HTTP/2, connection gone',
    run: async (one) => {
      const opened = await openHttp2(one);
      const { first } = ask(opened, one, watch(one));
      if (one.random.below(2) === 0) await first;
      else await moment(one, 10);
      await leave(opened.line, one);
    },
  },
];

/** Clients that vanish around plain requests. */
export const requestKinds: readonly Kind[] = [...handshakes, ...http1, ...http2];
