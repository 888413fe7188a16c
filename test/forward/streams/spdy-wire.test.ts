import { describe, expect, test } from 'vitest';
import { controlFrame, resetStatus } from '../../../src/forward/streams/spdy/spdy-frames.ts';
import { createSpdyLeg } from '../../../src/forward/streams/spdy/spdy-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, logLeg, settled } from './leg-log.ts';
import { dataFrame, meet, type RawPeer } from './raw-peer.ts';

const fin = 1;
const unidirectional = 2;
const stdin = { streamtype: 'stdin' };

const reset = (id: number, status: number): unknown => ({ type: 'rst-stream', id, status });
const accepted = (id: number): unknown => ({ type: 'syn-reply', id, headers: {} });

describe('the headers of a stream', () => {
  const taken = [
    {
      what: 'exec',
      headers: { streamtype: 'stdout' },
      stream: { type: 'stdout', port: null, requestId: '' },
    },
    {
      what: 'port-forward',
      headers: { streamtype: 'error', port: '65535', requestid: '12' },
      stream: { type: 'error', port: 65_535, requestId: '12' },
    },
    {
      what: 'headers that mean nothing',
      headers: { ...stdin, cookie: 'x', ':path': '/' },
      stream: { type: 'stdin', port: null, requestId: '' },
    },
    {
      what: 'a requestid of 64 characters',
      headers: { streamtype: 'data', port: '1', requestid: 'r'.repeat(64) },
      stream: { type: 'data', port: 1, requestId: 'r'.repeat(64) },
    },
  ];
  test.each(taken)('$what: become a stream', async ({ headers, stream }) => {
    const { peer, log } = meet('server');
    peer.send(peer.syn(1, headers));
    await settled();
    expect(log.events).toEqual([{ kind: 'opened', id: 1, stream }]);
    expect(peer.frames).toEqual([accepted(1)]);
  });

  const refused: { what: string; headers: Record<string, string>; flags?: number }[] = [
    { what: 'no streamtype', headers: {} },
    { what: 'an unknown streamtype', headers: { streamtype: 'stdlog' } },
    { what: 'a streamtype that every object has', headers: { streamtype: 'constructor' } },
    { what: 'two streamtypes', headers: { streamtype: 'stdin\0stdout' } },
    { what: 'port 0', headers: { streamtype: 'data', port: '0' } },
    { what: 'port 65536', headers: { streamtype: 'data', port: '65536' } },
    { what: 'a port with a sign', headers: { streamtype: 'data', port: '+80' } },
    { what: 'an empty port', headers: { streamtype: 'data', port: '' } },
    { what: 'two ports', headers: { streamtype: 'data', port: '80\x0081' } },
    { what: 'a requestid of 65 characters', headers: { ...stdin, requestid: 'r'.repeat(65) } },
    { what: 'a requestid with a line break', headers: { ...stdin, requestid: '1\n2' } },
    { what: 'a stream that we could not write to', headers: stdin, flags: unidirectional },
  ];
  test.each(refused)('$what: refuse the stream, not the session', async ({ headers, flags }) => {
    const { peer, log } = meet('server');
    peer.send(peer.syn(1, headers, flags), dataFrame(1, 'x'), peer.syn(3, stdin));
    await settled();
    expect(log.events).toMatchObject([{ kind: 'opened', id: 3 }]);
    expect(peer.frames).toEqual([
      reset(1, resetStatus.protocolError),
      reset(1, resetStatus.invalidStream),
      accepted(3),
    ]);
  });

  test('that we open are exactly those of its kind', async () => {
    const { leg, peer } = meet('client');
    leg.open({ type: 'stderr', port: null, requestId: '' });
    leg.open({ type: 'data', port: 443, requestId: '0' });
    await settled();
    expect(peer.frames).toEqual([
      { type: 'syn-stream', id: 1, headers: { streamtype: ['stderr'] } },
      {
        type: 'syn-stream',
        id: 3,
        headers: { streamtype: ['data'], port: ['443'], requestid: ['0'] },
      },
    ]);
  });
});

describe('what breaks a stream, and nothing else', () => {
  const cases: {
    what: string;
    role: 'client' | 'server';
    send: (peer: RawPeer) => Buffer[];
    events: object[];
    frames: unknown[];
  }[] = [
    {
      what: 'data of a stream that never was',
      role: 'server',
      send: () => [dataFrame(9, 'x')],
      events: [],
      frames: [reset(9, resetStatus.invalidStream)],
    },
    {
      what: 'data behind FIN',
      role: 'server',
      send: (peer) => [peer.syn(1, stdin), dataFrame(1, 'a', true), dataFrame(1, 'b')],
      events: [
        { kind: 'opened' },
        { kind: 'data', text: 'a' },
        { kind: 'finished' },
        { kind: 'reset', id: 1 },
      ],
      frames: [accepted(1), reset(1, resetStatus.streamAlreadyClosed)],
    },
    {
      what: 'data behind a SYN_STREAM with FIN',
      role: 'server',
      send: (peer) => [peer.syn(1, stdin, fin), dataFrame(1, 'b')],
      events: [{ kind: 'opened' }, { kind: 'finished' }, { kind: 'reset' }],
      frames: [accepted(1), reset(1, resetStatus.streamAlreadyClosed)],
    },
    {
      what: 'data behind RST_STREAM',
      role: 'server',
      send: (peer) => [peer.syn(1, stdin), controlFrame.rstStream(1, 5), dataFrame(1, 'b')],
      events: [{ kind: 'opened' }, { kind: 'reset' }],
      frames: [accepted(1), reset(1, resetStatus.invalidStream)],
    },
    {
      what: 'a SYN_REPLY to a stream of its own',
      role: 'server',
      send: (peer) => [peer.syn(1, stdin), peer.reply(1)],
      events: [{ kind: 'opened' }, { kind: 'reset' }],
      frames: [accepted(1), reset(1, resetStatus.streamInUse)],
    },
    {
      what: 'a SYN_REPLY to no stream',
      role: 'client',
      send: (peer) => [peer.reply(1)],
      events: [],
      frames: [reset(1, resetStatus.invalidStream)],
    },
    {
      what: 'RST_STREAM of a stream that never was',
      role: 'client',
      send: () => [controlFrame.rstStream(7, 1)],
      events: [],
      frames: [],
    },
  ];
  test.each(cases)('$what', async ({ role, send, events, frames }) => {
    const { peer, log } = meet(role);
    peer.send(...send(peer), controlFrame.ping(role === 'server' ? 99 : 98));
    await settled();
    expect(log.events).toMatchObject(events);
    expect(log.events).toHaveLength(events.length);
    expect(peer.frames).toEqual([...frames, { type: 'ping', id: role === 'server' ? 99 : 98 }]);
  });

  test('data before SYN_REPLY, and a second SYN_REPLY, on streams that we opened', async () => {
    const { leg, peer, log } = meet('client');
    const [early, twice] = [
      leg.open({ type: 'stdin', port: null, requestId: '' }),
      leg.open({ type: 'stdout', port: null, requestId: '' }),
    ];
    peer.send(dataFrame(early, 'x'), peer.reply(twice), peer.reply(twice));
    await settled();
    expect(log.events).toEqual([
      { kind: 'reset', id: early },
      { kind: 'accepted', id: twice },
      { kind: 'reset', id: twice },
    ]);
    expect(peer.frames.slice(2)).toEqual([
      reset(early, resetStatus.protocolError),
      reset(twice, resetStatus.streamInUse),
    ]);
  });

  test('data of an unknown stream is answered once a frame, however many pieces it comes in', async () => {
    const { peer } = meet('server');
    for (const byte of dataFrame(9, 'many pieces')) {
      peer.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled();
    expect(peer.frames).toEqual([reset(9, resetStatus.invalidStream)]);
  });
});

describe('what ends the session as broken', () => {
  const syn =
    (id: number): ((peer: RawPeer) => Buffer[]) =>
    (peer) => [peer.syn(id, stdin)];
  const cases = [
    { what: 'an even stream id of a client', send: syn(2), detail: 'which is not its next' },
    {
      what: 'a stream id that was used',
      send: (peer: RawPeer) => [peer.syn(5, stdin), peer.syn(5, stdin)],
      detail: 'which is not its next',
    },
    {
      what: 'a stream id below one that was used',
      send: (peer: RawPeer) => [peer.syn(5, stdin), peer.syn(3, stdin)],
      detail: 'which is not its next',
    },
    { what: 'HTTP', send: () => [Buffer.from('\x80\x01GET / HTTP/1.1')], detail: 'version 1' },
    {
      what: 'a header block that does not inflate',
      send: () => [controlFrame.synStream(1, Buffer.alloc(20))],
      detail: 'no zlib stream',
    },
    {
      what: 'a header block of 65 headers, also on a stream that is gone',
      send: (peer: RawPeer) => [
        peer.syn(1, Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, '']))),
      ],
      detail: '65 headers',
    },
  ];
  test.each(cases)('$what', async ({ send, detail }) => {
    const { peer, log, timers, isClosed } = meet('server');
    peer.send(...send(peer), peer.syn(101, stdin));
    await settled();
    const ended = log.events.at(-1);
    expect(
      ended?.kind === 'ended' && ended.end.kind === 'protocol' ? ended.end.detail : '',
    ).toContain(detail);
    expect(log.events.some((event) => event.kind === 'opened' && event.id === 101)).toBe(false);
    expect(peer.frames.at(-1)).toMatchObject({ type: 'goaway', status: 1 });
    timers.pass(1000);
    expect([isClosed(), timers.running()]).toEqual([true, 0]);
  });

  const floods = [
    { what: 'pings', step: () => [controlFrame.ping(1)] },
    { what: 'data of unknown streams', step: () => [dataFrame(9, '')] },
    {
      what: 'streams that it opens and resets',
      step: (n: number, peer: RawPeer) => [
        peer.syn(2 * n + 1, stdin),
        controlFrame.rstStream(2 * n + 1, 5),
      ],
    },
  ];
  test.each(floods)('$what, of a peer that does not read the answers', async ({ step }) => {
    const [a, b] = duplexPair(1024);
    b.on('error', () => {});
    const timers = handTimers();
    const leg = createSpdyLeg(a, { role: 'server', timers });
    const log = logLeg(leg, { opened: (id) => leg.accept(id) });
    const { peer } = meet('client');
    for (let n = 0; n < 8000; n++) b.write(Buffer.concat(step(n, peer)));
    // Header blocks are read 1024 a second.
    for (let second = 0; second < 8; second++) {
      await settled();
      timers.pass(1000);
    }
    await settled();
    expect(log.of('ended')).toMatchObject([{ end: { kind: 'protocol' } }]);
    expect(log.of('opened').length).toBeLessThan(5500);
  });
});
