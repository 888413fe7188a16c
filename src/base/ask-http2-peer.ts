import type { Http2Session } from 'node:http2';
import type { Duplex } from 'node:stream';

export type AskOptions = {
  readonly intervalMs: number;
  /** How long a PING may stay unanswered. At least `intervalMs`. */
  readonly answerMs: number;
  /** Told at each interval whether the last PING still waits for its answer, and when it has come. */
  readonly late?: (isLate: boolean) => void;
};

/**
 * Asks an HTTP/2 peer in intervals whether it is still there; one that does not answer in time is gone, whatever TCP says
 * of it, and its streams fail. The socket is destroyed as well: when a peer resets a connection that is written to, Node
 * may wait for that write for ever and read nothing either, and then the session's own destroy() never comes to the socket.
 * Sessions that are closing are asked, too, for their streams go on.
 */
export function askHttp2Peer(session: Http2Session, socket: Duplex, options: AskOptions): void {
  const { intervalMs, answerMs, late } = options;
  let waiting: NodeJS.Timeout | null = null;
  const end = (): void => {
    session.destroy();
    socket.destroy();
  };
  const answered = (): void => {
    if (waiting !== null) clearTimeout(waiting);
    waiting = null;
    late?.(false);
  };
  const timer = setInterval(() => {
    if (session.destroyed) {
      end();
      return;
    }
    if (waiting !== null) {
      late?.(true);
      return;
    }
    waiting = setTimeout(end, answerMs);
    session.ping((cause) => {
      if (cause === null) answered();
    });
  }, intervalMs);
  timer.unref();
  socket.once('close', () => {
    clearInterval(timer);
    if (waiting !== null) clearTimeout(waiting);
  });
}
