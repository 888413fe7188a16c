import type { PolicyInput } from '../policy-input.ts';
import { smokeInput } from '../smoke-input.ts';

const requestOf = (request: Partial<PolicyInput['request']>): PolicyInput => ({
  ...smokeInput,
  request: { ...smokeInput.request, ...request },
});

const configMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'trial', namespace: 'default' },
  data: { key: 'value' },
};
const ofObject = { resource: 'configmaps', kind: 'ConfigMap', content_type: 'application/json' };
const exec = { container: '', stdin: false, stdout: true, stderr: true, tty: false };

/**
 * One request of each sort, for the trial of a module whose sources nobody can check here: each must give a decision. What
 * the decision is does not matter.
 */
export const trialInputs: readonly PolicyInput[] = [
  smokeInput,
  requestOf({ verb: 'list', name: '' }),
  requestOf({ verb: 'watch', name: '', scope: 'cluster', namespace: '' }),
  requestOf({ verb: 'create', body: 'parsed', object: configMap, ...ofObject }),
  requestOf({ verb: 'update', body: 'parsed', object: configMap, ...ofObject }),
  requestOf({ verb: 'update', body: 'opaque', ...ofObject }),
  requestOf({
    verb: 'patch',
    body: 'parsed',
    object: configMap,
    patch: { data: { key: 'value' } },
    dry_run: true,
    ...ofObject,
  }),
  requestOf({ verb: 'delete' }),
  requestOf({ verb: 'deletecollection', name: '' }),
  requestOf({ verb: 'connect', resource: 'pods/exec', exec: { command: ['id'], ...exec } }),
  requestOf({
    verb: 'get',
    resource: 'pods/log',
    log: { container: '', follow: true, previous: false },
  }),
  requestOf({ verb: 'connect', resource: 'pods/portforward', portforward: { ports: [80] } }),
  requestOf({
    verb: 'get',
    scope: 'nonresource',
    version: '',
    resource: '',
    namespace: '',
    name: '',
  }),
];
