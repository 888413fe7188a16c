import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from '../support/processes.ts';
import { programScenarios } from './program-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { ensureTool } from './tools.ts';

const modules = resolve(import.meta.dirname, '../../test/cluster');
const source = join(modules, 'clients');
const minutesOfAWatch = 5;

/** Builds test/cluster/clients against the client-go that its module pins; the program's path. */
export async function buildClientGo(): Promise<string> {
  const files = [join(modules, 'go.mod')].concat(
    readdirSync(source).map((file) => join(source, file)),
  );
  const directory = await ensureTool({
    name: 'client-go',
    source: 'test/cluster/clients (Go module proxy)',
    content: files.map((file) => readFileSync(file, 'utf8')).join(''),
    install: async (target, step) => {
      const env = { CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' };
      const args = ['build', '-trimpath', '-o', join(target, 'clients'), './clients'];
      await step('go', args, { cwd: modules, env });
    },
  });
  return join(directory, 'clients');
}

/** The life of objects of 12 kinds through typed clients, protobuf both ways. */
function kinds(program: string): readonly Scenario[] {
  const life = {
    conflict: true,
    labels: '{"json":"yes","merge":"yes","strategic":"yes","updated":"yes"}',
    missing: /not found$/,
  };
  return programScenarios({
    client: 'client-go',
    operations: {
      ConfigMap: { ...life, stored: /"binaryData":\{"bytes":"AAECAwQF/ },
      Secret: life,
      Service: life,
      ServiceAccount: life,
      ResourceQuota: life,
      Deployment: life,
      StatefulSet: life,
      Job: { ...life, labels: /"strategic":"yes"/ },
      CronJob: life,
      Role: life,
      NetworkPolicy: life,
      PodDisruptionBudget: { ...life, stored: /"minAvailable":"50%"/ },
      'media types': {
        sent: 'application/vnd.kubernetes.protobuf',
        received: 'application/vnd.kubernetes.protobuf',
      },
    },
    run: (side) =>
      run(program, ['kinds', side.kubeconfig, side.namespace], {
        env: side.env,
        timeoutMs: 120_000,
      }),
  });
}

/**
 * An informer while objects change: its cache is what a list shows at the end, and it did not list again and again. API
 * servers and client-go end a watch after five minutes or more, and begin the next where it ended.
 */
function informer(program: string, durationMs: number, changes: number): readonly Scenario[] {
  const seconds = durationMs / 1000;
  const watchesMax = 2 + Math.ceil(seconds / 60 / minutesOfAWatch);
  return programScenarios({
    client: `client-go informer, ${seconds} s and ${changes} changes`,
    operations: {
      informer: {
        changes,
        cacheIsTheList: true,
        lists: 0,
        eventsMissing: 0,
        errors: 0,
        tooManyWatches: false,
      },
    },
    run: (side) =>
      run(
        program,
        [
          'informer',
          side.kubeconfig,
          side.namespace,
          `${seconds}s`,
          String(changes),
          String(watchesMax),
        ],
        { env: side.env, timeoutMs: durationMs + 120_000 },
      ),
  });
}

/** client-go: typed clients that speak protobuf, and an informer. */
export const clientGoScenarios = (
  program: string,
  durationMs: number,
  changes: number,
): readonly Scenario[] => [...kinds(program), ...informer(program, durationMs, changes)];
