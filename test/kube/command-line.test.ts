import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandLine, commandLineCharsMax } from '../../src/kube/command-line.ts';
import type { RequestFacts } from '../../src/kube/command-facts.ts';
import { shellLine, visible } from '../../src/kube/shell-line.ts';

const pod: RequestFacts = {
  scope: 'namespaced',
  verb: 'get',
  group: '',
  resource: 'pods',
  namespace: 'payments',
  name: 'web',
  path: '/api/v1/namespaces/payments/pods/web',
  dryRun: false,
  labelSelector: '',
  fieldSelector: '',
  options: {},
  contentType: '',
  exec: null,
  log: null,
  portforward: null,
};

const rendered = (over: Partial<RequestFacts>, kubectlCommand = '') =>
  commandLine({
    method: 'GET',
    target: '/raw/target',
    request: { ...pod, ...over },
    kubectlCommand,
  });

const list = { verb: 'list', name: '' } as const;
const deployment = { group: 'apps', resource: 'deployments' } as const;
const exec = { argc: 2, container: '', stdin: false, tty: false };

describe('a request without a claim is shown as the command that sends it', () => {
  test.each<{ facts: Partial<RequestFacts>; line: string }>([
    { facts: {}, line: 'kubectl get pod web -n payments' },
    { facts: list, line: 'kubectl get pods -n payments' },
    { facts: { ...list, scope: 'cluster', namespace: '' }, line: 'kubectl get pods -A' },
    {
      facts: { ...list, scope: 'cluster', namespace: '', resource: 'nodes' },
      line: 'kubectl get nodes',
    },
    {
      facts: { ...list, group: 'example.com', resource: 'widgets' },
      line: 'kubectl get widgets.example.com -n payments',
    },
    {
      facts: { ...list, group: 'example.com', resource: 'pods' },
      line: 'kubectl get pods.example.com -n payments',
    },
    {
      facts: { ...list, labelSelector: 'app in (a,b)', fieldSelector: 'spec.nodeName=n1' },
      line: "kubectl get pods -n payments -l 'app in (a,b)' --field-selector=spec.nodeName=n1",
    },
    { facts: { ...list, verb: 'watch' }, line: 'kubectl get pods -n payments -w' },
    {
      facts: { verb: 'watch', fieldSelector: 'metadata.name=web' },
      line: 'kubectl get pod web -n payments -w',
    },
    {
      facts: { resource: 'pods/status' },
      line: 'kubectl get pod web -n payments --subresource=status',
    },
    {
      facts: {
        resource: 'pods/log',
        log: { container: 'app', follow: true, previous: false },
        options: { tailLines: ['20'], sinceSeconds: ['300'] },
      },
      line: 'kubectl logs web -n payments -c app -f --tail=20 --since=300s',
    },
    {
      facts: {
        resource: 'pods/exec',
        verb: 'connect',
        exec: { ...exec, container: 'app', stdin: true, tty: true },
      },
      line: "kubectl exec web -n payments -c app -it -- '[2 words]'",
    },
    {
      facts: { resource: 'pods/attach', verb: 'connect', exec: { ...exec, argc: 0, stdin: true } },
      line: 'kubectl attach web -n payments -i',
    },
    {
      facts: { resource: 'pods/portforward', verb: 'connect', portforward: { ports: [80, 443] } },
      line: 'kubectl port-forward pod/web 80 443 -n payments',
    },
    { facts: { verb: 'delete' }, line: 'kubectl delete pod web -n payments' },
    {
      facts: {
        verb: 'delete',
        options: { gracePeriodSeconds: ['0'], propagationPolicy: ['Background'] },
      },
      line: 'kubectl delete pod web -n payments --grace-period=0',
    },
    {
      facts: { verb: 'delete', options: { propagationPolicy: ['Orphan'] }, dryRun: true },
      line: 'kubectl delete pod web -n payments --cascade=orphan --dry-run=server',
    },
    {
      facts: { verb: 'deletecollection', name: '' },
      line: 'kubectl delete pods -n payments --all',
    },
    {
      facts: { verb: 'deletecollection', name: '', labelSelector: 'app=web' },
      line: 'kubectl delete pods -n payments -l app=web',
    },
    { facts: { ...deployment, verb: 'create' }, line: 'kubectl create deployment/web -n payments' },
    { facts: { verb: 'create', name: '' }, line: 'kubectl create pod -n payments' },
    {
      facts: { ...deployment, verb: 'update' },
      line: 'kubectl replace deployment/web -n payments',
    },
    {
      facts: { ...deployment, verb: 'patch', contentType: 'application/apply-patch+yaml' },
      line: 'kubectl apply deployment/web -n payments --server-side',
    },
    {
      facts: {
        ...deployment,
        verb: 'patch',
        contentType: 'application/strategic-merge-patch+json',
        options: { fieldManager: ['kubectl-client-side-apply'] },
      },
      line: 'kubectl apply deployment/web -n payments',
    },
    {
      facts: {
        ...deployment,
        verb: 'patch',
        contentType: 'application/merge-patch+json',
        dryRun: true,
      },
      line: 'kubectl patch deployment web -n payments --dry-run=server --type=merge',
    },
    {
      facts: { group: 'apps', resource: 'deployments/scale', verb: 'patch' },
      line: 'kubectl scale deployment/web -n payments',
    },
    {
      facts: { resource: 'pods/eviction', verb: 'create' },
      line: 'kubectl drain pod/web -n payments',
    },
    {
      facts: { resource: 'serviceaccounts/token', verb: 'create' },
      line: 'kubectl create token web -n payments',
    },
    {
      facts: {
        scope: 'cluster',
        group: 'authorization.k8s.io',
        resource: 'selfsubjectaccessreviews',
        verb: 'create',
        namespace: '',
        name: '',
      },
      line: 'kubectl auth can-i',
    },
    {
      facts: { ...list, group: 'metrics.k8s.io' },
      line: 'kubectl top pods -n payments',
    },
  ])('$line', ({ facts, line }) => {
    expect(rendered(facts)).toEqual({ line, fidelity: 'inferred' });
  });
});

describe('what no command sends is shown as its path', () => {
  const metrics = {
    scope: 'nonresource',
    resource: '',
    namespace: '',
    name: '',
    path: '/metrics',
  } as const;
  test.each<{ facts: Partial<RequestFacts>; line: string }>([
    { facts: metrics, line: 'kubectl get --raw /metrics' },
    {
      facts: { ...metrics, path: '/a b?c', options: { x: ['1&2'] } },
      line: "kubectl get --raw '/a%20b%3Fc?x=1%262'",
    },
    {
      facts: { resource: 'pods/binding', verb: 'create' },
      line: 'POST /api/v1/namespaces/payments/pods/web',
    },
    { facts: { resource: 'pods/proxy', verb: 'connect' }, line: 'POST /raw/target' },
  ])('$line', ({ facts, line }) => {
    const { line: shown, fidelity } = commandLine({
      method: 'POST',
      target: '/raw/target',
      request: { ...pod, ...facts },
      kubectlCommand: '',
    });
    expect({ shown, fidelity }).toEqual({ shown: line, fidelity: 'raw' });
  });

  test('a request that was not understood is its method and target', () => {
    const facts = { method: 'BREW', target: '/a//b', request: null, kubectlCommand: 'kubectl get' };
    expect(commandLine(facts)).toEqual({ line: 'BREW /a//b', fidelity: 'raw' });
  });
});

describe('the claimed command names the line where it fits the request', () => {
  const patch = { verb: 'patch', contentType: 'application/strategic-merge-patch+json' } as const;
  test.each<{ claim: string; facts: Partial<RequestFacts>; line: string }>([
    { claim: 'kubectl get', facts: {}, line: 'kubectl get pod web -n payments' },
    { claim: 'kubectl describe', facts: {}, line: 'kubectl describe pod web -n payments' },
    {
      claim: 'kubectl rollout restart',
      facts: { ...deployment, ...patch },
      line: 'kubectl rollout restart deployment/web -n payments',
    },
    {
      claim: 'kubectl cordon',
      facts: { ...patch, scope: 'cluster', resource: 'nodes', namespace: '', name: 'n1' },
      line: 'kubectl cordon n1',
    },
    {
      claim: 'kubectl create secret generic',
      facts: { verb: 'create', resource: 'secrets', name: 'db' },
      line: 'kubectl create secret generic db -n payments',
    },
    { claim: 'kubectl run', facts: { verb: 'create' }, line: 'kubectl run web -n payments' },
    {
      claim: 'kubectl version',
      facts: { scope: 'nonresource', path: '/version' },
      line: 'kubectl version',
    },
  ])('$claim', ({ claim, facts, line }) => {
    const said = rendered(facts, claim);
    expect(said).toEqual({ line, fidelity: 'header' });
  });

  test.each<{ why: string; claim: string; facts: Partial<RequestFacts> }>([
    { why: 'a delete as a get', claim: 'kubectl get', facts: { verb: 'delete' } },
    {
      why: 'an exec as logs',
      claim: 'kubectl logs',
      facts: { resource: 'pods/exec', verb: 'connect', exec },
    },
    {
      why: 'a patch of a role as a cordon',
      claim: 'kubectl cordon',
      facts: { verb: 'patch', resource: 'roles' },
    },
    { why: 'a read as discovery', claim: 'kubectl version', facts: { resource: 'secrets' } },
    { why: 'flags in the claim', claim: 'kubectl get --help', facts: {} },
    { why: 'another program', claim: 'rm -rf', facts: {} },
    { why: 'an unknown command', claim: 'kubectl frobnicate', facts: {} },
  ])('no claim shows $why', ({ claim, facts }) => {
    expect(rendered(facts, claim)).toEqual({ ...rendered(facts), fidelity: 'inferred' });
  });
});

/** Any text: control characters, escapes, bidirectional marks, quotes and halves of pairs included. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      "'",
      '"',
      '\\',
      '$',
      '`',
      ' ',
      '\n',
      '\u001b',
      '\u202e',
      '\ud800',
      '~',
      '#',
      'a',
    ),
  }),
);

const ACTED_ON =
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/u;

test('no text of a request makes a line that a terminal acts on, or that is longer than is indexed', () => {
  fc.assert(
    fc.property(
      fc.record({
        namespace: hostile,
        name: hostile,
        labelSelector: hostile,
        path: hostile,
        group: hostile,
      }),
      fc.constantFrom('get', 'list', 'delete', 'patch', 'create', 'connect'),
      fc.constantFrom('pods', 'pods/log', 'pods/exec', 'pods/portforward', 'widgets/x', ''),
      hostile,
      (texts, verb, resource, claim) => {
        const { line } = rendered({ ...texts, verb, resource, exec }, `kubectl ${claim}`);
        expect(line).not.toMatch(ACTED_ON);
        expect(line.isWellFormed()).toBe(true);
        expect(line.length).toBeLessThanOrEqual(commandLineCharsMax);
      },
    ),
  );
});

test('a POSIX shell makes the same words of a line again', () => {
  // One shell for all of them: starting it is what takes time.
  const wordLists = fc.sample(
    fc.array(
      hostile.filter((text) => text !== ''),
      { minLength: 1, maxLength: 6 },
    ),
    200,
  );
  const fitting = wordLists.filter((words) => words.join('').length < 60);
  const script = fitting
    .map((words) => `printf '%s\\n' ${shellLine(words, 4096)}; echo ====`)
    .join('\n');
  const printed = execFileSync('sh', { input: script, encoding: 'utf8' });
  const expected = fitting.map((words) => `${words.map(visible).join('\n')}\n====\n`).join('');
  expect(printed).toBe(expected);
  expect(fitting.length).toBeGreaterThan(50);
});

test('a line that is too long is cut between words, and a shell still parses it', () => {
  const facts = {
    ...list,
    labelSelector: `app in (${'x,'.repeat(300)})`,
    namespace: 'n'.repeat(500),
  };
  const { line } = rendered(facts);
  expect(line.length).toBeLessThanOrEqual(commandLineCharsMax);
  expect(line).toContain('…');
  expect(() => execFileSync('sh', ['-n'], { input: line })).not.toThrow();
});
