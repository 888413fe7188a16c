import { readFileSync } from 'node:fs';
import { run } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

type Reconciled = {
  readonly findings: readonly { readonly kind: string; readonly what: string }[];
  readonly counts: { readonly calls: number; readonly explained: number };
};

const object = 'past-the-gateway';

/**
 * The API server's own audit log against the record: nothing to say of calls that came through the gateway, and one that was made
 * past it, with its own credential, is the only one that is named. `since`: from when on the cluster was left to the gateway.
 */
export async function proveReconciled(world: World, report: Report, since: string): Promise<void> {
  const reconcile = async () => {
    const { code, stdout, stderr } = await world.holdgate([
      'reconcile',
      world.cluster.auditLog,
      '--since',
      since,
      '--json',
      '--ignore-user',
      'system:*',
      '--ignore-user',
      'admin',
      '--config',
      world.config,
    ]);
    if (code > 1) throw new Error(`holdgate reconcile: ${stderr}`);
    return JSON.parse(stdout) as Reconciled;
  };
  const told = ({ findings, counts }: Reconciled): string =>
    `${counts.explained} of ${counts.calls} calls on record, ${findings.length} findings${findings
      .slice(0, 5)
      .map(({ kind, what }) => `; ${kind}: ${what}`)
      .join('')}`;
  const before = await reconcile();
  report.check(
    'reconcile: everything came through the gateway',
    told(before),
    '> 0 on record, 0 findings',
    before.findings.length === 0 && before.counts.explained > 0,
  );
  const { server, caFile, gatewayTokenFile } = world.cluster;
  const token = readFileSync(gatewayTokenFile, 'utf8').trim();
  const direct = await run(world.kubectl, [
    '--kubeconfig',
    '/dev/null',
    '--server',
    server,
    '--certificate-authority',
    caFile,
    '--token',
    token,
    '-n',
    'default',
    'create',
    'configmap',
    object,
  ]);
  const after = await reconcile();
  const [only, ...others] = after.findings;
  report.check(
    "reconcile: one call past the gateway, with the gateway's credential",
    `kubectl exit ${direct.code}; ${told(after)}`,
    'that one call, and no other',
    only !== undefined && only.what.includes(object) && others.length === 0,
  );
}
