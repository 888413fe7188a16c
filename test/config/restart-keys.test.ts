import { expect, test } from 'vitest';
import { restartKeys } from '../../src/config/restart-keys.ts';
import { configSchema } from '../../src/config/schema.ts';

const cluster = {
  name: 'one',
  server: 'https://one.test',
  credential: { token: { env: 'TOKEN' } },
};
const running = { clusters: [cluster], data: { port: 8443 }, drainSeconds: 15 };

test.each<{ name: string; saved: object; keys: readonly string[] }>([
  { name: 'nothing', saved: running, keys: [] },
  {
    name: 'clusters and the default cluster, which a reload applies',
    saved: { ...running, clusters: [{ ...cluster, name: 'two' }], defaultCluster: 'two' },
    keys: [],
  },
  { name: 'a default written out', saved: { ...running, logLevel: 'info' }, keys: [] },
  { name: 'a port', saved: { ...running, data: { port: 9443 } }, keys: ['data.port'] },
  {
    name: 'several keys, in the order of the alphabet',
    saved: {
      ...running,
      people: { address: '127.0.0.2' },
      drainSeconds: 30,
      data: { port: 9443, hostnames: ['gateway.test'] },
    },
    keys: ['data.hostnames', 'data.port', 'drainSeconds', 'people.address'],
  },
  {
    name: 'the database, named as a whole where there was none',
    saved: { ...running, database: { url: { env: 'DATABASE' } } },
    keys: ['database'],
  },
  {
    name: 'an approver group, named without its members',
    saved: {
      ...running,
      approverGroups: { oncall: { members: [{ issuer: 'https://i.test', subject: 'someone' }] } },
    },
    keys: ['approverGroups.oncall'],
  },
])('what needs a restart: $name', ({ saved, keys }) => {
  expect(restartKeys(configSchema.parse(running), configSchema.parse(saved))).toEqual(keys);
});
