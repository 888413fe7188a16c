import { WebSocket } from 'undici';

/**
 * Makes a Node process that was started with `--inspect` collect its garbage, and says what is in use afterwards: what
 * is measured then is what it holds, and not when it last collected. Chrome DevTools Protocol, HeapProfiler and Runtime.
 */
export async function collectGarbage(url: string): Promise<{ readonly heapUsedBytes: number }> {
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
  });
  let last = 0;
  const call = (method: string, params: object = {}): Promise<unknown> => {
    last += 1;
    const id = last;
    return new Promise((resolve) => {
      const onMessage = ({ data }: { readonly data: unknown }): void => {
        const answer = JSON.parse(String(data)) as { readonly id?: number };
        if (answer.id !== id) return;
        socket.removeEventListener('message', onMessage);
        resolve(answer);
      };
      socket.addEventListener('message', onMessage);
      socket.send(JSON.stringify({ id, method, params }));
    });
  };
  await call('HeapProfiler.collectGarbage');
  await call('HeapProfiler.collectGarbage');
  const usage = (await call('Runtime.getHeapUsage')) as {
    readonly result: { readonly usedSize: number };
  };
  const closed = new Promise<void>((resolve) => {
    socket.addEventListener('close', () => resolve());
  });
  socket.close();
  await closed;
  return { heapUsedBytes: usage.result.usedSize };
}
