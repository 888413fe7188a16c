import type { PolicyInput } from '../../src/decide/index.ts';
import { smokeInput } from '../../src/decide/smoke-input.ts';

/** An agent's GET of a pod, as the gateway builds it: about 1 KB. */
export const readInput: PolicyInput = {
  ...smokeInput,
  now: '2026-11-21T10:00:00.000Z',
  cluster: { name: 'bench', labels: {} },
  user: {
    ...smokeInput.user,
    issuer: 'https://127.0.0.1:8444/local-issuer/agents',
    subject: 'local-agent',
    username: 'local-agent',
    groups: ['local-agents'],
    kind: 'agent',
    token: {
      ...smokeInput.user.token,
      type: 'JWT',
      id: '5f1e0a8c-0000-4000-8000-000000000001',
      expires: '2026-11-21T12:00:00Z',
    },
  },
  request: {
    ...smokeInput.request,
    name: 'small',
    path: '/api/v1/namespaces/default/pods/small',
  },
  claimed: { client: 'kubectl/v1.35.0', command: 'kubectl get', task: '', reason: '' },
};

/** An administrator's create with a body of about `bytes` bytes. */
export function createInput(bytes: number): PolicyInput {
  const environment = Array.from({ length: Math.ceil(bytes / 60) }, (_, number) => ({
    name: `VARIABLE_${number}`,
    value: 'a value of some length',
  }));
  const spec = {
    containers: [{ name: 'main', image: 'registry.example/app:1', env: environment }],
  };
  const metadata = { name: 'web', namespace: 'default' };
  return {
    ...readInput,
    user: {
      ...readInput.user,
      subject: 'local-person',
      username: 'local-person',
      groups: ['local-people'],
      kind: 'human',
    },
    request: {
      ...readInput.request,
      verb: 'create',
      group: 'apps',
      resource: 'deployments',
      kind: 'Deployment',
      name: 'web',
      path: '/apis/apps/v1/namespaces/default/deployments',
      content_type: 'application/json',
      body: 'parsed',
      object: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { selector: {}, template: { metadata, spec } },
      },
      wire: { method: 'POST', verb: 'create' },
    },
  };
}

/** A CI identity's create, which rules look up among its group's grants. */
export function granteeInput(group: string): PolicyInput {
  const made = createInput(100);
  return {
    ...made,
    user: { ...made.user, groups: [group], kind: 'workload' },
    request: { ...made.request, group: 'apps', resource: 'deployments', namespace: 'shop' },
  };
}
