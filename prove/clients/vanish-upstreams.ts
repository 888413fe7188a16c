import { leave, openLine, moment, readToEnd, sendHead, type Kind } from './vanish-line.ts';
import type { AnswerMode, Http2Mode, UpgradeMode } from './chaos-upstream.ts';
import { spdyHead, webSocketHead } from './vanish-streams.ts';

/**
 * How long the gateway may take to tell a client that its upstream is gone: an HTTP/2 session that was reset is found by
 * its PINGs (every 5 s, 15 s for the answer) where Node does not say so. Milliseconds.
 */
const toldWithinMs = 25_000;
/** A client does not wait for what never ends. Milliseconds. */
const patienceMs = 200;

const ENDLESS = new Set(['silent', 'endless', 'switch-endless']);

type Asked = {
  /** As the configuration names it. */
  readonly cluster: 'chaos' | 'chaos-h2' | 'chaos-tcp' | 'chaos-tls';
  readonly mode: string;
  readonly path: string;
  readonly upgrade?: 'websocket' | 'tunnel' | 'spdy';
};

/** A client that waits for the end of what its upstream breaks off; one without end it leaves itself. */
function asking(name: string, { cluster, mode, path, upgrade }: Asked): Kind {
  return {
    name,
    run: async (one) => {
      const line = await openLine(one);
      const target = `/clusters/${cluster}/api/v1/namespaces/${mode}/${path}`;
      const heads = {
        websocket: () => webSocketHead(one, 'v5.channel.k8s.io'),
        tunnel: () => webSocketHead(one, 'SPDY/3.1+portforward.k8s.io'),
        spdy: () => spdyHead(path.includes('exec') ? 'v4.channel.k8s.io' : 'portforward.k8s.io'),
      };
      const head = upgrade === undefined ? { headers: ['connection: close'] } : heads[upgrade]();
      sendHead(line, one, target, head);
      if (ENDLESS.has(mode)) {
        // Half of them read what comes, half let it pile up.
        if (one.random.below(2) === 0) line.tls.resume();
        await moment(one, patienceMs);
        await leave(line, one);
        return;
      }
      const told = await readToEnd(line, one, toldWithinMs);
      await leave(line, one);
      if (!told) throw new Error(`not told within ${toldWithinMs} ms that the upstream is gone`);
    },
  };
}

const LIST = 'configmaps';
const WATCH = 'configmaps?watch=true';
const EXEC = 'pods/p/exec?command=cat&stdin=true&stdout=true';
const FORWARD = 'pods/p/portforward';

const answers: readonly AnswerMode[] = [
  'no-answer',
  'half-head',
  'half-body',
  'half-chunk',
  'reset-body',
  'silent',
  'endless',
];
const upgrades: readonly UpgradeMode[] = [
  'switch-close',
  'switch-half-frame',
  'switch-garbage',
  'switch-wrong-key',
  'switch-endless',
  'silent',
];
const http2: readonly Http2Mode[] = ['h2-reset', 'h2-goaway', 'h2-destroy', 'silent', 'endless'];
const spdy: readonly UpgradeMode[] = ['switch-close', 'switch-garbage', 'switch-half-spdy'];

/** Upstreams that vanish, and clients that leave those which never end. */
export const upstreamKinds: readonly Kind[] = [
  asking('upstream closes TCP', { cluster: 'chaos-tcp', mode: 'any', path: LIST }),
  asking('upstream closes TLS', { cluster: 'chaos-tls', mode: 'any', path: LIST }),
  asking('upstream closes TCP, watch', { cluster: 'chaos-tcp', mode: 'any', path: WATCH }),
  asking('upstream closes TLS, exec', {
    cluster: 'chaos-tls',
    mode: 'any',
    path: EXEC,
    upgrade: 'websocket',
  }),
  ...answers.map((mode) =>
    asking(`upstream, list: ${mode}`, { cluster: 'chaos', mode, path: LIST }),
  ),
  asking('upstream, proxy: silent', {
    cluster: 'chaos',
    mode: 'silent',
    path: 'services/s/proxy/',
  }),
  ...upgrades.map((mode) =>
    asking(`upstream, exec: ${mode}`, { cluster: 'chaos', mode, path: EXEC, upgrade: 'websocket' }),
  ),
  ...spdy.map((mode) =>
    asking(`upstream, SPDY exec: ${mode}`, { cluster: 'chaos', mode, path: EXEC, upgrade: 'spdy' }),
  ),
  asking('upstream, tunnel: switch-garbage', {
    cluster: 'chaos',
    mode: 'switch-garbage',
    path: FORWARD,
    upgrade: 'tunnel',
  }),
  ...http2.map((mode) =>
    asking(`upstream, HTTP/2 watch: ${mode}`, { cluster: 'chaos-h2', mode, path: WATCH }),
  ),
];
