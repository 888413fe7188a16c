import { createHeaderWriter } from '../../src/forward/streams/spdy/header-block.ts';
import { controlFrame, dataHead } from '../../src/forward/streams/spdy/spdy-frames.ts';
import { toHeaders } from '../../src/forward/streams/spdy/stream-headers.ts';
import type { StreamType } from '../../src/forward/streams/frames.ts';
import { opcodes, webSocketFrame } from '../../src/forward/streams/websocket/websocket-frames.ts';
import {
  headText,
  leave,
  moment,
  openLine,
  readHead,
  sendHead,
  type HeadOptions,
  type Kind,
  type Line,
  type Vanishing,
} from './vanish-line.ts';

const STDIN = Uint8Array.of(0);

const execPath = ({ namespace, pod }: Vanishing): string =>
  `/api/v1/namespaces/${namespace}/pods/${pod}/exec?command=cat&container=c&stdin=true&stdout=true&stderr=true`;
const forwardPath = ({ namespace, pod }: Vanishing): string =>
  `/api/v1/namespaces/${namespace}/pods/${pod}/portforward`;

/** The head of a WebSocket upgrade. */
export function webSocketHead(one: Vanishing, protocol: string): HeadOptions {
  return {
    headers: [
      'connection: Upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      `sec-websocket-key: ${one.random.bytes(16).toString('base64')}`,
      `sec-websocket-protocol: ${protocol}`,
    ],
  };
}

/** The head of a SPDY upgrade. */
export const spdyHead = (protocol: string): HeadOptions => ({
  method: 'POST',
  headers: [
    'connection: Upgrade',
    'upgrade: SPDY/3.1',
    `x-stream-protocol-version: ${protocol}`,
    'content-length: 0',
  ],
});

const exec = 'v5.channel.k8s.io';
const tunnel = 'SPDY/3.1+portforward.k8s.io';

/** Opens a session; after its 101 the line is read on, as a client would. */
async function openSession(one: Vanishing, path: string, head: HeadOptions): Promise<Line> {
  const line = await openLine(one);
  sendHead(line, one, path, head);
  const answer = await readHead(line, one);
  if (answer?.startsWith('HTTP/1.1 101') !== true) {
    await leave(line, one);
    throw new Error(
      `the session was not opened: ${answer?.slice(0, 300) ?? 'the connection ended'}`,
    );
  }
  line.tls.resume();
  return line;
}

/** Opens a session, sends these bytes, and vanishes. */
const sending =
  (
    open: (one: Vanishing) => Promise<Line>,
    bytes: (one: Vanishing) => Buffer,
  ): ((one: Vanishing) => Promise<void>) =>
  async (one) => {
    const line = await open(one);
    line.tls.write(bytes(one));
    await moment(one, 20);
    await leave(line, one);
  };

const openExec = (one: Vanishing): Promise<Line> =>
  openSession(one, execPath(one), webSocketHead(one, exec));
const openSpdyExec = (one: Vanishing): Promise<Line> =>
  openSession(one, execPath(one), spdyHead('v4.channel.k8s.io'));
const openTunnel = (one: Vanishing): Promise<Line> =>
  openSession(one, forwardPath(one), webSocketHead(one, tunnel));

/** `cat` answers it: bytes are on their way in both directions. */
const stdin = (one: Vanishing): Buffer =>
  webSocketFrame('client', opcodes.binary, one.random.bytes(3000), STDIN);

/** A part of a frame that says to be longer. */
const partOf = (frame: Buffer, { random }: Vanishing, from: number): Buffer =>
  frame.subarray(0, from + random.below(frame.length - from));

/** FIN taken off: more frames of this message would follow. */
function unfinished(frame: Buffer): Buffer {
  frame.writeUInt8(frame.readUInt8(0) & 0x7f, 0);
  return frame;
}

/** SYN_STREAMs as a SPDY client sends them: odd ids, in order. */
function synStreams(types: readonly StreamType[], port: number | null): readonly Buffer[] {
  const write = createHeaderWriter();
  const requestId = port === null ? '' : '0';
  return types.map((type, at) =>
    controlFrame.synStream(1 + 2 * at, write(toHeaders({ type, port, requestId }))),
  );
}

const execStreams = (): readonly Buffer[] => synStreams(['error', 'stdin', 'stdout'], null);
const stdinId = 3;

const upgrades: readonly Kind[] = [
  {
    name: 'half an upgrade head',
    run: async (one) => {
      const line = await openLine(one);
      const head = headText(one, execPath(one), webSocketHead(one, exec));
      line.tls.write(head.slice(0, 1 + one.random.below(head.length - 4)));
      await moment(one, 10);
      await leave(line, one);
    },
  },
  {
    name: 'exec, gone before the 101',
    run: async (one) => {
      const line = await openLine(one);
      const isSpdy = one.random.below(2) === 0;
      const head = isSpdy ? spdyHead('v4.channel.k8s.io') : webSocketHead(one, exec);
      sendHead(line, one, execPath(one), head);
      await moment(one, 15);
      await leave(line, one);
    },
  },
];

const webSockets: readonly Kind[] = [
  {
    name: 'exec: half a frame head',
    run: sending(openExec, (one) => stdin(one).subarray(0, 1 + one.random.below(7))),
  },
  {
    name: 'exec: half a payload of stdin',
    run: sending(openExec, (one) => partOf(stdin(one), one, 9)),
  },
  {
    name: 'exec: between fragments',
    run: sending(openExec, (one) => unfinished(stdin(one))),
  },
  { name: 'exec: no close frame', run: sending(openExec, stdin) },
  {
    name: 'exec: half a close frame',
    run: sending(openExec, (one) =>
      Buffer.concat([
        stdin(one),
        partOf(webSocketFrame('client', opcodes.close, Buffer.of(3, 232)), one, 1),
      ]),
    ),
  },
];

const spdy: readonly Kind[] = [
  {
    name: 'SPDY exec: half a control frame',
    run: sending(openSpdyExec, (one) => {
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = execStreams();
      return Buffer.concat([first, partOf(second, one, 1)]);
    }),
  },
  {
    name: 'SPDY exec: half a data frame',
    run: sending(openSpdyExec, (one) => {
      const bytes = one.random.bytes(3000);
      const data = Buffer.concat([dataHead(stdinId, bytes.length, false), bytes]);
      return Buffer.concat([...execStreams(), partOf(data, one, 9)]);
    }),
  },
  {
    name: 'port-forward tunnel: half a frame',
    run: sending(openTunnel, (one) => {
      const frames = Buffer.concat([...synStreams(['error', 'data'], 8080)]);
      return partOf(webSocketFrame('client', opcodes.binary, frames), one, 3);
    }),
  },
  {
    name: 'port-forward tunnel: half a SPDY frame',
    run: sending(openTunnel, (one) => {
      const frames = Buffer.concat([...synStreams(['error', 'data'], 8080)]);
      return webSocketFrame('client', opcodes.binary, partOf(frames, one, 3));
    }),
  },
];

/** Clients that vanish around sessions. */
export const streamKinds: readonly Kind[] = [...upgrades, ...webSockets, ...spdy];
