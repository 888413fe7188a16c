import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { World } from './world.ts';

/** The people's REST API as the local person, without the command's start-up between calls. */
export type PeopleApi = {
  /** The JSON of a 200; null for a 404. Throws for any other answer. */
  readonly get: (path: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
};

export async function createPeopleApi(world: World): Promise<PeopleApi> {
  const args = ['token', '--identity', 'person', '--people', '--config', world.config];
  const minted = await world.holdgate(args);
  if (minted.code !== 0) throw new Error(`holdgate token: ${minted.stderr}`);
  const { token } = JSON.parse(minted.stdout) as { readonly token: string };
  const ca = readFileSync(join(world.dataDirectory, 'tls', 'ca.crt'));
  const agent = new Agent({ connect: { ca }, connections: 8 });
  return {
    get: async (path) => {
      const answer = await request(`${world.peopleUrl}${path}`, {
        dispatcher: agent,
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      });
      const text = await answer.body.text();
      if (answer.statusCode === 404) return null;
      if (answer.statusCode !== 200) {
        throw new Error(`GET ${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
      }
      return JSON.parse(text) as unknown;
    },
    close: () => agent.destroy(),
  };
}
