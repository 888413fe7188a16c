/** Inputs as the gateway builds them: what an agent's read and a person's create look like to policy. */
const user = {
  issuer: 'https://127.0.0.1:8444/local-issuer/agents',
  subject: 'local-agent',
  username: 'local-agent',
  uid: '',
  groups: ['local-agents'],
  groups_complete: true,
  kind: 'agent',
  actor: [],
  claims: {},
  token: {
    type: 'JWT',
    id: '5f1e0a8c-0000-4000-8000-000000000001',
    expires: '2026-11-21T12:00:00Z',
    azp: '',
    acr: '',
    amr: [],
    auth_time: '',
  },
  requested_impersonation: null,
};

const request = {
  scope: 'namespaced',
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'pods',
  kind: '',
  namespace: 'default',
  name: 'small',
  generate_name: '',
  path: '/api/v1/namespaces/default/pods/small',
  dry_run: false,
  label_selector: '',
  field_selector: '',
  options: {},
  content_type: '',
  body: 'none',
  object: null,
  patch: null,
  exec: null,
  log: null,
  portforward: null,
  wire: { method: 'GET', verb: 'get' },
};

const input = {
  now: '2026-11-21T10:00:00.000Z',
  cluster: { name: 'bench', labels: {} },
  user,
  request,
  live: null,
  grants: [],
  usage: {},
  source_ip: '127.0.0.1',
  claimed: { client: 'kubectl/v1.35.0', command: 'kubectl get', task: '', reason: '' },
};

/** An agent's GET of a pod: about 1 KB. */
export const readInput = input;

/** An administrator's create with a body of about `bytes` bytes. */
export function createInput(bytes: number): object {
  const environment = Array.from({ length: Math.ceil(bytes / 60) }, (_, number) => ({
    name: `VARIABLE_${number}`,
    value: 'a value of some length',
  }));
  const spec = {
    containers: [{ name: 'main', image: 'registry.example/app:1', env: environment }],
  };
  const metadata = { name: 'web', namespace: 'default' };
  return {
    ...input,
    user: {
      ...user,
      subject: 'local-person',
      username: 'local-person',
      groups: ['local-people'],
      kind: 'human',
    },
    request: {
      ...request,
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
export function granteeInput(group: string): object {
  const made = createInput(100) as typeof input;
  return {
    ...made,
    user: { ...made.user, groups: [group], kind: 'workload' },
    request: { ...made.request, group: 'apps', resource: 'deployments', namespace: 'shop' },
  };
}
