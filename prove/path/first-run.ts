import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../src/local/free-ports.ts';
import { findPrograms } from '../support/programs.ts';
import { run, start, type Background, type Finished } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import { program } from '../support/world.ts';

type FirstRun = {
  readonly kubectl: (...args: string[]) => Promise<Finished>;
  readonly holdgate: (...args: string[]) => Promise<Finished>;
  readonly directory: string;
  readonly process: Background;
};

/** `npm start` with these arguments, in a data directory of its own. */
async function startFirstRun(args: readonly string[]): Promise<FirstRun> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-prove-start-'));
  const [data = 0, people = 0] = await freePorts([0, 0]);
  const ports = ['--data-port', String(data), '--people-port', String(people)];
  const options = ['--data-directory', directory, ...ports, ...args];
  const running = start(process.execPath, [program, 'start', ...options], {
    logFile: join(directory, 'start.out'),
  });
  await running.until(/Holdgate is running/, 120_000);
  const kubectlProgram = (await findPrograms()).kubectl ?? 'kubectl';
  const kubeconfig = join(directory, 'agent.kubeconfig');
  return {
    directory,
    process: running,
    kubectl: (...rest) => run(kubectlProgram, ['--kubeconfig', kubeconfig, ...rest]),
    holdgate: (...rest) => run(process.execPath, [program, ...rest, '--data-directory', directory]),
  };
}

/** The id of the one pending approval, once there is one. */
async function pendingApproval(first: FirstRun): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const listed = await first.holdgate('approvals', 'list', '--state', 'PENDING', '-o', 'json');
    const id = /"id": "([^"]+)"/.exec(listed.stdout)?.[1];
    if (id !== undefined) return id;
    await delay(100);
  }
  throw new Error('no approval came up');
}

/** The pasted lines of the five-minute start, and what each must print. */
export async function proveFirstRun(
  report: Report,
  name: string,
  args: readonly string[],
  namespace: string,
): Promise<void> {
  const first = await startFirstRun(args);
  const { kubectl, holdgate } = first;
  const check = (what: string, figure: string, bound: string, passed: boolean): void =>
    report.check(`${name}: ${what}`, figure, bound, passed);
  try {
    const pods = await kubectl('get', 'pods', '-A');
    check(
      'get pods -A',
      `exit ${pods.code}`,
      'exit 0, the pod listed',
      pods.code === 0 && pods.stdout.includes('checkout-7b9'),
    );

    const secret = await kubectl('get', 'secret', 'db-credentials', '-n', namespace, '-o', 'yaml');
    const password = /password: (\S+)/.exec(secret.stdout)?.[1] ?? '';
    const clear = Buffer.from(password, 'base64').toString();
    check(
      'get secret -o yaml',
      `password decodes to "${clear}"`,
      'exit 0, a marker, not the value',
      secret.code === 0 && clear === 'masked-by-holdgate',
    );

    const binding = await kubectl(
      'create',
      'clusterrolebinding',
      'oops',
      '--clusterrole=cluster-admin',
      '--user=me',
    );
    check(
      'create clusterrolebinding',
      `exit ${binding.code}: ${binding.stderr.trim().slice(0, 160)}`,
      'exit 1, names the rule',
      binding.code === 1 && binding.stderr.includes('surfaces/rbac'),
    );

    const uid = (
      await kubectl('get', 'pod', 'checkout-7b9', '-n', namespace, '-o', 'jsonpath={.metadata.uid}')
    ).stdout;
    const startedMs = performance.now();
    const deleting = kubectl('delete', 'pod', 'checkout-7b9', '-n', namespace);
    const id = await pendingApproval(first);
    const still = await kubectl(
      'get',
      'pod',
      'checkout-7b9',
      '-n',
      namespace,
      '-o',
      'jsonpath={.metadata.uid}',
    );
    const approved = await holdgate('approvals', 'approve', id, '--reason', 'the acceptance run');
    const deleted = await deleting;
    const waitedMs = Math.round(performance.now() - startedMs);
    const gone = await kubectl('get', 'pod', 'checkout-7b9', '-n', namespace);
    check(
      'delete pod waits for its approval',
      `there while pending: ${still.stdout === uid}; exit ${deleted.code} after ${waitedMs} ms; then ${gone.code === 1 ? 'gone' : 'there'}`,
      'there while pending; exit 0 after the approval; gone',
      still.stdout === uid &&
        uid !== '' &&
        approved.code === 0 &&
        deleted.code === 0 &&
        gone.code === 1,
    );

    const approval = await holdgate('approvals', 'show', id, '-o', 'json');
    const releases = await releasesOf(first, approval.stdout);
    check(
      'the approved delete ran once',
      `${releases} release, state ${/"state": "(\w+)"/.exec(approval.stdout)?.[1] ?? ''}`,
      '1 release, EXECUTED',
      releases === 1 && approval.stdout.includes('"EXECUTED"'),
    );

    const again = await holdgate('approvals', 'approve', id);
    check(
      'a second approval of it',
      `exit ${again.code}`,
      'exit 1, no longer open',
      again.code === 1,
    );
    const decisions = await holdgate('decisions', 'list');
    check(
      'decisions list',
      `exit ${decisions.code}, ${decisions.stdout.split('\n').length - 2} rows`,
      'exit 0, with the rules that decided',
      decisions.code === 0 && decisions.stdout.includes('surfaces/rbac'),
    );
  } finally {
    const stoppedMs = performance.now();
    await first.process.stop('SIGINT');
    const tookMs = Math.round(performance.now() - stoppedMs);
    const code = first.process.child.exitCode;
    check(
      'stops at SIGINT',
      `exit ${code} after ${tookMs} ms`,
      'exit 0 within 30 s',
      code === 0 && tookMs < 30_000,
    );
  }
}

async function releasesOf(first: FirstRun, approval: string): Promise<number> {
  const request = /"executedBy": "([^"]+)"/.exec(approval)?.[1] ?? '';
  const shown = await first.holdgate('decisions', 'show', request);
  const detail = JSON.parse(shown.stdout) as { readonly releases: readonly unknown[] };
  return detail.releases.length;
}
