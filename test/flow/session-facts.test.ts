import { expect, test } from 'vitest';
import { ok } from '../../src/base/result.ts';
import { agent, flowWorld } from '../support/flow-world.ts';

const uuid = '0b7c2f1e-0000-4000-8000-5f0a1b2c3d4e';

/** What the decision of a request with these headers says of its session. */
async function recorded(headers: Record<string, string>, sid?: string) {
  const identity = sid === undefined ? agent : { ...agent, sid };
  const world = flowWorld({ identify: () => Promise.resolve(ok(identity)) });
  await world.call({ target: '/api/v1/namespaces/shop/pods/a', headers });
  const decision = world.records.find((entry) => entry.kind === 'decision');
  return { sid: decision?.sid, kubectlSession: decision?.kubectlSession };
}

test('a decision names the session of the token and the run of kubectl', async () => {
  const said = await recorded({ 'Kubectl-Session': uuid.toUpperCase() }, 'run-1');
  expect(said).toEqual({ sid: 'run-1', kubectlSession: uuid });
});

test.each([
  { what: 'no header', headers: {} },
  { what: 'text that is no UUID', headers: { 'Kubectl-Session': 'join me with bob' } },
  { what: 'a UUID with more behind it', headers: { 'Kubectl-Session': `${uuid}x` } },
])('$what is no run of kubectl', async ({ headers }) => {
  expect(await recorded(headers)).toEqual({ sid: undefined, kubectlSession: undefined });
});
