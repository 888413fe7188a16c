import { proveClients, proveStreams } from './path/clients.ts';
import { proveCrashes } from './path/crashes.ts';
import { proveFirstRun } from './path/first-run.ts';
import { proveReload } from './path/reload.ts';
import { createPostgresServer } from './support/postgres-server.ts';
import type { Report } from './support/report.ts';
import { allowEverythingToPeople, createWorld } from './support/world.ts';

/** How much of each is run. `full` is the acceptance; CI runs `small`. */
export type Counts = {
  readonly silenceMs: number;
  readonly reloads: number;
  readonly kills: number;
};

export const counts: Readonly<Record<'full' | 'small', Counts>> = {
  full: { silenceMs: 90_000, reloads: 10, kills: 50 },
  small: { silenceMs: 5000, reloads: 2, kills: 3 },
};

/** The path: the five-minute start, every kubectl command, policy reload under load, crashes under load. */
export async function provePath(report: Report, count: Counts): Promise<void> {
  await proveFirstRun(report, 'npm start', [], 'payments');

  const database = await createPostgresServer();
  const world = await createWorld('path', {
    databaseUrl: database.url,
    prepare: allowEverythingToPeople,
  });
  try {
    const migrated = await world.holdgate(['migrate', '--config', world.config]);
    report.check('holdgate migrate', migrated.stdout.trim(), 'exit 0', migrated.code === 0);
    const context = ['--context', 'local', '--kubeconfig', world.cluster.adminKubeconfig];
    await proveFirstRun(report, 'npm start -- --context', context, 'holdgate-demo');
    let gateway = await world.startGateway();
    try {
      await proveClients(world, report);
      await proveStreams(world, report, count.silenceMs);
      await proveReload(world, report, count.reloads);
      gateway = await proveCrashes(world, database, gateway, report, count.kills);
    } finally {
      await gateway.stop();
    }
  } finally {
    await world.close();
    await database.stop();
  }
}
