import { Duplex } from 'node:stream';
import { WebSocketConnection, type WebSocketOptions } from './websocket-connection.ts';

/**
 * The byte stream inside a WebSocket tunnel (`SPDY/3.1+portforward.k8s.io`, KEP-4006): binary messages are its bytes,
 * their borders mean nothing. Ends with the WebSocket; a message is never larger than what was written at once.
 */
export function createTunnel(socket: Duplex, options: WebSocketOptions): Duplex {
  const connection = new WebSocketConnection(socket, options);
  let drained: (() => void) | null = null;
  let ended = false;
  const release = (): void => {
    const resume = drained;
    drained = null;
    resume?.();
  };
  const tunnel = new Duplex({
    allowHalfOpen: false,
    read: () => connection.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      // After the end nobody says that the peer takes more: a write that waited for it would never be done.
      if (connection.send(chunk) || ended) done();
      else drained = done;
    },
    final: (done) => {
      connection.close(1000);
      done();
    },
    destroy: (cause, done) => {
      release();
      if (cause === null) connection.close(1000);
      else connection.destroy();
      done(cause);
    },
  });
  connection.start({
    part: (bytes) => {
      if (bytes.length > 0 && !tunnel.destroyed && !tunnel.push(bytes)) connection.pause();
    },
    drained: release,
    ended: (end) => {
      ended = true;
      release();
      if (end.kind === 'clean') tunnel.push(null);
      else tunnel.destroy(new Error(end.detail));
    },
  });
  return tunnel;
}
