import { hostname } from 'node:os';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { delivered, mayPass, type Sink, type SinkEntry } from './sink.ts';
import { octetCounted, syslogMessage, type SyslogForm } from './syslog-message.ts';

/** A syslog server, read for each delivery so that a file that was replaced is taken. */
export type SyslogServer = {
  readonly host: string;
  readonly port: number;
  /** Null is plain TCP, on this machine only: the configuration sees to it. */
  readonly tls: {
    /** PEM text that replaces the system's CAs; null takes those. */
    readonly certificateAuthority: string | null;
    /** The name to expect in the certificate; null for the host. */
    readonly serverName: string | null;
    /** PEM texts by which this client is known; null without. */
    readonly client: { readonly certificate: string; readonly key: string } | null;
  } | null;
};

/**
 * How long a connection on which everything is written must stay open before it is ended: at least this, and as long as it took
 * to set up on a slow network. Milliseconds.
 */
const quietMsMin = 250;

/**
 * RFC 5424 messages over TLS (RFC 5425). The protocol has no answer that says that a message arrived: bytes that were written
 * may still lie in a buffer when the server dies. So a delivery is a connection, and what its end says counts. A server that
 * ends it by itself (it wants another certificate, it is restarted, its balancer has no server) has not read everything. One
 * that is still there after a quiet moment is told that this was all; when it ends too, it has read to the end. Anything
 * else is sent again. That it was written down there, nobody can know.
 */
export function syslogSink(options: {
  readonly name: string;
  readonly server: () => Result<SyslogServer, string>;
  readonly form: Omit<SyslogForm, 'hostname'>;
  readonly clock: Clock;
}): Sink {
  const form = { ...options.form, hostname: hostname() };
  return {
    name: options.name,
    rows: 'leaves',
    write: (row) => octetCounted(syslogMessage(row, form)).toString('utf8'),
    deliver: async (batch, signal) => {
      const server = options.server();
      if (!server.ok) return err(mayPass(server.error));
      const place = `${server.value.host}:${server.value.port}`;
      try {
        await send(server.value, batch, signal, options.clock);
        return ok(delivered);
      } catch (cause) {
        const why = signal.aborted ? 'not taken in time' : errorText(cause);
        return err(mayPass(`syslog ${place}: ${why}`));
      }
    },
  };
}

function send(
  server: SyslogServer,
  batch: readonly SinkEntry[],
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new Error('it was called off'));
      return;
    }
    const beganMs = clock.monotonicMs();
    const socket = open(server);
    let isEnding = false;
    let quiet: NodeJS.Timeout | undefined;
    const finish = (problem: Error | null): void => {
      clearTimeout(quiet);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      if (problem === null) resolve();
      else reject(problem);
    };
    const abort = (): void => finish(new Error('it was called off'));
    const end = (): void => {
      if (socket.destroyed) return;
      isEnding = true;
      socket.end();
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once(server.tls === null ? 'connect' : 'secureConnect', () => {
      const quietMs = Math.max(quietMsMin, clock.monotonicMs() - beganMs);
      socket.write(batch.map(({ text }) => text).join(''), () => {
        // By way of an immediate: an end that lies ready is seen first, also after this thread was busy for long.
        quiet = setTimeout(() => setImmediate(end), quietMs);
      });
    });
    // Whatever a server says is thrown away; unread, it would keep the end of the connection from being seen.
    socket.resume();
    socket.once('error', finish);
    socket.once('end', () => {
      finish(isEnding ? null : new Error('the server ended the connection early'));
    });
    socket.once('close', () => finish(new Error('the connection broke')));
  });
}

function open({ host, port, tls }: SyslogServer): Socket {
  if (tls === null) return connectPlain({ host, port, allowHalfOpen: true });
  const { certificateAuthority, serverName, client } = tls;
  const name = serverName ?? host;
  return connectTls({
    host,
    port,
    // An address is no server name (RFC 6066 §3); it is checked against the certificate's addresses all the same.
    ...(/^[\d.]+$|:/.test(name) ? {} : { servername: name }),
    ...(certificateAuthority === null ? {} : { ca: certificateAuthority }),
    ...(client === null ? {} : { cert: client.certificate, key: client.key }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  });
}
