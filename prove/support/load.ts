import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { World } from './world.ts';

export type LoadEnd = {
  readonly sent: number;
  readonly failed: number;
  readonly perSecond: number;
};

type Sent = { readonly status: number; readonly auditId: string };

/** HTTP calls through the gateway as the local person, without kubectl's start-up between them. */
export type Load = {
  /** The status of a GET; 0 where there was no answer. */
  readonly get: (target: string) => Promise<number>;
  readonly post: (target: string, body: object) => Promise<number>;
  /** The same with the Audit-ID of the answer; '' where it has none. */
  readonly send: (target: string, body: object) => Promise<Sent>;
  /** GETs at a fixed rate, open loop, until stopped; everything but a 200 counts as failed. */
  readonly constant: (
    target: string,
    perSecond: number,
  ) => { readonly stop: () => Promise<LoadEnd> };
  readonly close: () => Promise<void>;
};

export async function createLoad(world: World): Promise<Load> {
  const minted = await world.holdgate(['token', '--identity', 'person', '--config', world.config]);
  if (minted.code !== 0) throw new Error(`holdgate token: ${minted.stderr}`);
  const answer = JSON.parse(minted.stdout) as { readonly token: string };
  const ca = readFileSync(join(world.dataDirectory, 'tls', 'ca.crt'));
  const agent = new Agent({ connect: { ca }, connections: 16, pipelining: 1 });
  const call = async (method: 'GET' | 'POST', target: string, body?: object): Promise<Sent> => {
    try {
      const sent = await request(`${world.dataUrl}${target}`, {
        method,
        dispatcher: agent,
        headers: { authorization: `Bearer ${answer.token}`, 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
        headersTimeout: 20_000,
        bodyTimeout: 20_000,
      });
      await sent.body.dump();
      const auditId = sent.headers['audit-id'];
      return { status: sent.statusCode, auditId: typeof auditId === 'string' ? auditId : '' };
    } catch {
      return { status: 0, auditId: '' };
    }
  };
  const get = async (target: string): Promise<number> => (await call('GET', target)).status;
  return {
    get,
    post: async (target, body) => (await call('POST', target, body)).status,
    send: (target, body) => call('POST', target, body),
    constant: (target, perSecond) => constantLoad(() => get(target), perSecond),
    close: () => agent.destroy(),
  };
}

function constantLoad(get: () => Promise<number>, perSecond: number) {
  let stopped = false;
  let sent = 0;
  let failed = 0;
  const open = new Set<Promise<void>>();
  const startedMs = performance.now();
  const loop = (async () => {
    while (!stopped) {
      const due = ((performance.now() - startedMs) / 1000) * perSecond;
      while (sent < due) {
        sent += 1;
        const one = get().then((status) => {
          if (status !== 200) failed += 1;
          open.delete(one);
        });
        open.add(one);
      }
      await delay(2);
    }
  })();
  return {
    stop: async (): Promise<LoadEnd> => {
      stopped = true;
      await loop;
      const perSecondDone = sent / ((performance.now() - startedMs) / 1000);
      await Promise.all(open);
      return { sent, failed, perSecond: perSecondDone };
    },
  };
}
