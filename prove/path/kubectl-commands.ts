/**
 * The kubectl commands of the acceptance, as data: each runs once directly and once through the gateway, in a namespace
 * of its own, and must end with the same exit code and the same text once names that differ by chance are levelled.
 */
export type KubectlStep = {
  readonly name: string;
  /** `$NS` is the namespace, `$DIR` the folder with the manifests, `$POD` the first pod of deployment web. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Compare the exit code only: the text shows ages and orders that differ between any two runs. */
  readonly codeOnly?: true;
  readonly timeoutMs?: number;
};

export const kubectlSteps: readonly KubectlStep[] = [
  { name: 'apply', args: ['apply', '-n', '$NS', '-f', '$DIR/web.yaml'] },
  {
    name: 'rollout status',
    args: ['rollout', 'status', '-n', '$NS', 'deployment/web', '--timeout=60s'],
    codeOnly: true,
  },
  {
    name: 'wait',
    args: ['wait', '-n', '$NS', '--for=condition=Available', 'deployment/web', '--timeout=60s'],
  },
  { name: 'get one', args: ['get', '-n', '$NS', 'deployment', 'web', '-o', 'name'] },
  {
    name: 'get as JSON',
    args: [
      'get',
      '-n',
      '$NS',
      'deployment',
      'web',
      '-o',
      'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}',
    ],
  },
  {
    name: 'list as a table',
    args: [
      'get',
      '-n',
      '$NS',
      'deployments,configmaps',
      '--no-headers',
      '-o',
      'custom-columns=K:.kind,N:.metadata.name',
    ],
  },
  { name: 'list everywhere', args: ['get', 'pods', '-A'], codeOnly: true },
  {
    name: 'list in chunks',
    args: ['get', '-n', '$NS', 'pods', '--chunk-size=1', '-o', 'jsonpath={.items[*].kind}'],
  },
  { name: 'get what is missing', args: ['get', '-n', '$NS', 'deployment', 'missing'] },
  { name: 'describe', args: ['describe', '-n', '$NS', 'deployment', 'web'], codeOnly: true },
  { name: 'apply again', args: ['apply', '-n', '$NS', '-f', '$DIR/web.yaml'] },
  { name: 'diff', args: ['diff', '-n', '$NS', '-f', '$DIR/web-changed.yaml'], codeOnly: true },
  { name: 'apply a change', args: ['apply', '-n', '$NS', '-f', '$DIR/web-changed.yaml'] },
  {
    name: 'apply server-side',
    args: ['apply', '--server-side', '-n', '$NS', '-f', '$DIR/settings.yaml'],
  },
  {
    name: 'apply server-side again',
    args: ['apply', '--server-side', '-n', '$NS', '-f', '$DIR/settings.yaml'],
  },
  {
    name: 'apply server-side, in conflict',
    args: [
      'apply',
      '--server-side',
      '--field-manager=other',
      '-n',
      '$NS',
      '-f',
      '$DIR/settings-changed.yaml',
    ],
  },
  {
    name: 'apply server-side, forced',
    args: [
      'apply',
      '--server-side',
      '--force-conflicts',
      '--field-manager=other',
      '-n',
      '$NS',
      '-f',
      '$DIR/settings-changed.yaml',
    ],
  },
  {
    name: 'patch (strategic)',
    args: [
      'patch',
      '-n',
      '$NS',
      'deployment',
      'web',
      '-p',
      '{"spec":{"template":{"metadata":{"labels":{"p":"1"}}}}}',
    ],
  },
  {
    name: 'patch (merge)',
    args: [
      'patch',
      '-n',
      '$NS',
      'configmap',
      'settings',
      '--type=merge',
      '-p',
      '{"data":{"m":"1"}}',
    ],
  },
  {
    name: 'patch (JSON)',
    args: [
      'patch',
      '-n',
      '$NS',
      'configmap',
      'settings',
      '--type=json',
      '-p',
      '[{"op":"add","path":"/data/j","value":"1"}]',
    ],
  },
  {
    name: 'patch that is invalid',
    args: [
      'patch',
      '-n',
      '$NS',
      'deployment',
      'web',
      '--type=merge',
      '-p',
      '{"spec":{"replicas":-1}}',
    ],
  },
  {
    name: 'patch a subresource',
    args: [
      'patch',
      '-n',
      '$NS',
      'deployment',
      'web',
      '--subresource=scale',
      '--type=merge',
      '-p',
      '{"spec":{"replicas":2}}',
    ],
  },
  {
    name: 'edit',
    args: ['edit', '-n', '$NS', 'configmap', 'settings'],
    env: { KUBE_EDITOR: 'sed -i s/colour:.blue/colour:\\ red/' },
  },
  {
    name: 'see the edit',
    args: ['get', '-n', '$NS', 'configmap', 'settings', '-o', 'jsonpath={.data}'],
  },
  { name: 'scale', args: ['scale', '-n', '$NS', 'deployment', 'web', '--replicas=3'] },
  { name: 'label', args: ['label', '-n', '$NS', 'deployment', 'web', 'tier=front'] },
  { name: 'annotate', args: ['annotate', '-n', '$NS', 'deployment', 'web', 'note=x'] },
  {
    name: 'set image',
    args: ['set', 'image', '-n', '$NS', 'deployment/web', 'web=example.test/web:3'],
  },
  { name: 'rollout restart', args: ['rollout', 'restart', '-n', '$NS', 'deployment/web'] },
  {
    name: 'rollout history',
    args: ['rollout', 'history', '-n', '$NS', 'deployment/web'],
    codeOnly: true,
  },
  { name: 'rollout undo', args: ['rollout', 'undo', '-n', '$NS', 'deployment/web'] },
  {
    name: 'rollout status after it all',
    args: ['rollout', 'status', '-n', '$NS', 'deployment/web', '--timeout=60s'],
    codeOnly: true,
  },
  { name: 'logs', args: ['logs', '-n', '$NS', '$POD'] },
  { name: 'logs by selector', args: ['logs', '-n', '$NS', '-l', 'app=web', '--tail=1'] },
  {
    name: 'get --raw',
    args: ['get', '--raw', '/api/v1/namespaces/$NS/configmaps/settings?pretty=false'],
    codeOnly: true,
  },
  {
    name: 'get --raw of what is missing',
    args: ['get', '--raw', '/api/v1/namespaces/$NS/configmaps/missing'],
  },
  { name: 'explain', args: ['explain', 'pods.spec.containers'] },
  { name: 'api-resources', args: ['api-resources'] },
  { name: 'api-versions', args: ['api-versions'] },
  { name: 'version', args: ['version', '-o', 'json'], codeOnly: true },
  { name: 'cluster-info', args: ['cluster-info'], codeOnly: true },
  {
    name: 'drain with eviction',
    args: [
      'drain',
      'node-0',
      '--pod-selector=owner=$NS',
      '--force',
      '--ignore-daemonsets',
      '--timeout=60s',
    ],
    codeOnly: true,
    timeoutMs: 90_000,
  },
  { name: 'uncordon', args: ['uncordon', 'node-0'], codeOnly: true },
  {
    name: 'apply the second pod',
    args: ['apply', '-n', '$NS', '-f', '$DIR/lone.yaml'],
    codeOnly: true,
  },
  {
    name: 'wait for the second pod',
    args: ['wait', '-n', '$NS', '--for=condition=Ready', 'pod', '-l', 'owner=$NS', '--timeout=60s'],
    codeOnly: true,
  },
  {
    name: 'drain --disable-eviction',
    args: [
      'drain',
      'node-0',
      '--disable-eviction',
      '--pod-selector=owner=$NS',
      '--force',
      '--ignore-daemonsets',
      '--timeout=60s',
    ],
    codeOnly: true,
    timeoutMs: 90_000,
  },
  { name: 'uncordon again', args: ['uncordon', 'node-0'], codeOnly: true },
  {
    name: 'delete',
    args: ['delete', '-n', '$NS', 'deployment', 'web', '--wait=true', '--timeout=60s'],
  },
  { name: 'delete by manifest', args: ['delete', '-n', '$NS', '-f', '$DIR/settings.yaml'] },
  { name: 'delete what is missing', args: ['delete', '-n', '$NS', 'configmap', 'missing'] },
  {
    name: 'wait for deletion',
    args: ['wait', '-n', '$NS', '--for=delete', 'pod', '-l', 'app=web', '--timeout=60s'],
    codeOnly: true,
  },
];

/** The manifests that the steps name, for one namespace. */
export function manifests(namespace: string): Readonly<Record<string, string>> {
  const deployment = (image: string): string =>
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'web', image }] },
        },
      },
    });
  const lone = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { owner: namespace } },
    spec: { containers: [{ name: 'c', image: 'example.test/c:1' }] },
  });
  const settings = (colour: string): string =>
    [
      'apiVersion: v1',
      'kind: ConfigMap',
      'metadata:',
      '  name: settings',
      'data:',
      `  colour: ${colour}`,
      '  size: "1"',
      '',
    ].join('\n');
  return {
    'web.yaml': `${deployment('example.test/web:1')}\n---\n${JSON.stringify(lone('lone'))}\n`,
    'web-changed.yaml': `${deployment('example.test/web:2')}\n`,
    'settings.yaml': settings('blue'),
    'settings-changed.yaml': settings('blue').replace('size: "1"', 'size: "2"'),
    'lone.yaml': `${JSON.stringify(lone('lone-2'))}\n`,
  };
}

/** Levels what differs by chance between two runs: generated names, namespaces, times. */
export function levelled(text: string, namespace: string): string {
  return text
    .replaceAll(namespace, '<ns>')
    .replace(/-[0-9a-f]{7,10}-[a-z0-9]{5}\b/g, '-<pod>')
    .replace(/resourceVersion: "\d+"/g, 'resourceVersion: <rv>')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>');
}
