import { join } from 'node:path';
import { proveRecordCrashes } from './record/crashes.ts';
import { proveReconciled } from './record/reconciled.ts';
import { proveTampering } from './record/tampering.ts';
import { proveTranscript } from './record/transcript.ts';
import { createPostgresServer } from './support/postgres-server.ts';
import type { Report } from './support/report.ts';
import { allowEverythingToPeople, createWorld } from './support/world.ts';

/** How much of each is run. `full` is the acceptance; CI runs `small`. */
export type RecordCounts = {
  /** Of Postgres, and as many of the gateway. */
  readonly kills: number;
};

export const recordCounts: Readonly<Record<'full' | 'small', RecordCounts>> = {
  full: { kills: 100 },
  small: { kills: 3 },
};

/**
 * The record: a session shows as the commands that were run, the API server's audit log agrees with it, nothing acknowledged is
 * lost when processes are killed, and whatever is changed in the database afterwards is found offline.
 */
export async function proveRecord(report: Report, count: RecordCounts): Promise<void> {
  const database = await createPostgresServer();
  const anchors = 'anchors.log';
  const world = await createWorld('record', {
    databaseUrl: database.url,
    prepare: allowEverythingToPeople,
    record: { anchors: { file: anchors } },
  });
  try {
    const migrated = await world.holdgate(['migrate', '--config', world.config]);
    if (migrated.code !== 0) throw new Error(`holdgate migrate: ${migrated.stderr}`);
    let gateway = await world.startGateway();
    try {
      const since = new Date().toISOString();
      await proveTranscript(world, report);
      await proveReconciled(world, report, since);
      gateway = await proveRecordCrashes({ world, database, gateway }, report, count.kills);
    } finally {
      await gateway.stop();
    }
    const key = await world.holdgate(['evidence', 'key', '--config', world.config]);
    await proveTampering(
      {
        world,
        databaseUrl: database.url,
        anchors: join(world.directory, anchors),
        key: key.stdout.trim(),
      },
      report,
    );
  } finally {
    await world.close();
    await database.stop();
  }
}
