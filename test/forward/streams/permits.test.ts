import { describe, expect, test } from 'vitest';
import { openSession, type SessionOptions } from '../../../src/forward/streams/session.ts';
import { summaryTap } from '../../../src/forward/streams/session-summary.ts';
import { resetStatus } from '../../../src/forward/streams/spdy/spdy-frames.ts';
import { webSocketFrame } from '../../../src/forward/streams/websocket/websocket-frames.ts';
import { duplexPair } from './duplex-pair.ts';
import { settled } from './leg-log.ts';
import { dataFrame, rawPeer, type SeenFrame } from './raw-peer.ts';
import { rawWebSocketPeer } from './raw-web-socket.ts';

const none = { stdin: false, tty: false, ports: [] };
const head = Buffer.alloc(0);

/** A session over SPDY between two peers that send any bytes they like. */
function overSpdy(resource: SessionOptions['resource'], asked: SessionOptions['asked']) {
  const [client, clientWire] = duplexPair();
  const [cluster, clusterWire] = duplexPair();
  const counted = summaryTap();
  const session = openSession({
    offer: { transport: 'spdy', protocols: ['v4.channel.k8s.io'], key: '' },
    protocol: 'v4.channel.k8s.io',
    resource,
    asked,
    client: { socket: client, head },
    cluster: { socket: cluster, head },
    taps: [counted.tap],
  });
  return {
    session,
    client: rawPeer(clientWire),
    cluster: rawPeer(clusterWire),
    summary: counted.summary,
  };
}

type Headers = Readonly<Record<string, string>>;

/** As a peer reads them: each header with its list of values. */
const listed = (headers: Headers): unknown =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));

const openings = (frames: readonly SeenFrame[]): unknown[] =>
  frames.flatMap((frame) => (frame.type === 'syn-stream' ? [frame.headers] : []));

describe('a command over SPDY opens what its query asked for, and nothing else', () => {
  const cases = [
    { what: 'stdin without stdin=true', asked: none, headers: { streamtype: 'stdin' } },
    { what: 'resize without tty=true', asked: none, headers: { streamtype: 'resize' } },
    {
      what: 'data, which is of port-forwards',
      asked: { ...none, stdin: true, tty: true },
      headers: { streamtype: 'data', port: '80' },
    },
    {
      what: 'a stream with a port',
      asked: { ...none, stdin: true },
      headers: { streamtype: 'stdin', port: '80' },
    },
  ];
  test.each(cases)('$what is refused', async ({ asked, headers }) => {
    const { client, cluster } = overSpdy('pods/exec', asked);
    client.send(
      client.syn(1, headers),
      dataFrame(1, 'id\n'),
      client.syn(3, { streamtype: 'error' }),
    );
    await settled();
    expect(openings(cluster.frames)).toEqual([listed({ streamtype: 'error' })]);
    expect(cluster.frames.some((frame) => frame.type === 'data')).toBe(false);
    expect(client.frames).toContainEqual({
      type: 'rst-stream',
      id: 1,
      status: resetStatus.refusedStream,
    });
  });

  test('each stream is opened once: a second stdin would take the place of the first', async () => {
    const { client, cluster } = overSpdy('pods/exec', { ...none, stdin: true });
    for (const id of [1, 3]) client.send(client.syn(id, { streamtype: 'stdin' }));
    await settled();
    expect(openings(cluster.frames)).toEqual([listed({ streamtype: 'stdin' })]);
  });

  test('stdin and resize that were asked for pass', async () => {
    const { client, cluster } = overSpdy('pods/attach', { ...none, stdin: true, tty: true });
    const types = ['error', 'stdin', 'stdout', 'resize'];
    for (const [at, streamtype] of types.entries())
      client.send(client.syn(1 + 2 * at, { streamtype }));
    await settled();
    expect(openings(cluster.frames)).toEqual(types.map((streamtype) => listed({ streamtype })));
    cluster.send(cluster.reply(3));
    await settled();
    client.send(dataFrame(3, 'ls\n'));
    await settled();
    expect(cluster.frames).toContainEqual({ type: 'data', id: 3, text: 'ls\n', fin: false });
  });
});

describe('a port-forward', () => {
  const cases = [
    {
      what: 'a port that the query names',
      ports: [80, 443],
      headers: { streamtype: 'data', port: '443' },
      opens: true,
    },
    {
      what: 'a port that it does not name',
      ports: [80],
      headers: { streamtype: 'data', port: '22' },
      opens: false,
    },
    {
      what: 'any port where it names none',
      ports: [],
      headers: { streamtype: 'data', port: '22' },
      opens: true,
    },
    { what: 'a stream without a port', ports: [], headers: { streamtype: 'data' }, opens: false },
    { what: 'stdin', ports: [], headers: { streamtype: 'stdin', port: '80' }, opens: false },
  ];
  test.each(cases)('opens $what: $opens', async ({ ports, headers, opens }) => {
    const { client, cluster } = overSpdy('pods/portforward', { ...none, ports });
    client.send(client.syn(1, headers));
    await settled();
    expect(openings(cluster.frames)).toEqual(opens ? [listed(headers)] : []);
  });
});

describe('bytes in a direction that a stream does not have', () => {
  test('are dropped over SPDY, and counted nowhere', async () => {
    const { client, cluster, summary } = overSpdy('pods/exec', { ...none, stdin: true });
    client.send(client.syn(1, { streamtype: 'stdout' }), client.syn(3, { streamtype: 'stdin' }));
    await settled();
    cluster.send(cluster.reply(1), cluster.reply(3));
    await settled();
    client.send(dataFrame(1, 'up'));
    cluster.send(dataFrame(3, 'down'));
    await settled();
    for (const peer of [client, cluster])
      expect(peer.frames.filter((frame) => frame.type === 'data')).toEqual([]);
    expect(summary().bytes).toEqual({});
  });

  test('are dropped over WebSocket channels, as stdin is that was not asked for', async () => {
    const [client, clientWire] = duplexPair();
    const [cluster, clusterWire] = duplexPair();
    openSession({
      offer: { transport: 'websocket', protocols: ['v5.channel.k8s.io'], key: '' },
      protocol: 'v5.channel.k8s.io',
      resource: 'pods/exec',
      asked: none,
      client: { socket: client, head },
      cluster: { socket: cluster, head },
      taps: [],
    });
    const seen = rawWebSocketPeer(clusterWire, false);
    for (const channel of [0, 1, 2, 3, 4])
      clientWire.write(webSocketFrame('client', 2, Buffer.from([channel, 0x41])));
    clientWire.write(webSocketFrame('client', 8, Buffer.from([0x03, 0xe8])));
    await settled();
    expect(seen.frames.map(({ opcode }) => opcode)).toEqual([8]);
  });
});
