import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { npmOpa, opaArguments } from '../../test/support/opa.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';
import { createLoad } from '../support/load.ts';

const inForceBoundMs = 2000;
/** A save runs opa, whose tests of the folder take 0.4 s by themselves on the machine that the bound was made for. */
const inForceOverOpaMax = 5;
const requestsPerSecond = 200;

/** Another text each time: one that was in force before would not be compiled again. */
const ruleOf = (round: number): string => `package rules.prove_reload

# Round ${round}.
deny contains {"id": "frozen", "reason": "the prove run froze this config map"} if {
	input.request.resource == "configmaps"
	input.request.name == "frozen"
}
`;

/**
 * A rule that is dropped in and saved is in force within 2 s, while a load of 200 requests a second loses none. On a machine so
 * slow that `opa test` of the folder alone, under the same load, takes over 0.4 s: within five times that.
 */
export async function proveReload(world: World, report: Report, rounds: number): Promise<void> {
  const load = await createLoad(world);
  const directory = join(world.policies, 'rules', 'prove_reload');
  const target = '/api/v1/namespaces/default/configmaps/frozen';
  const latencies: number[] = [];
  const opaAlone: number[] = [];
  const running = load.constant('/api/v1/namespaces/default/configmaps?limit=5', requestsPerSecond);
  await delay(1000);
  for (let round = 0; round < rounds; round += 1) {
    mkdirSync(directory);
    writeFileSync(join(directory, 'prove_reload.rego'), ruleOf(round));
    latencies.push(await untilStatus(load.get, target, 403));
    opaAlone.push(await opaTestMs(world.policies));
    rmSync(directory, { recursive: true });
    latencies.push(await untilStatus(load.get, target, 404));
  }
  // A broken save is reported, and the running policy stays.
  mkdirSync(directory);
  writeFileSync(
    join(directory, 'prove_reload.rego'),
    'package rules.prove_reload\n\ndeny if true\n',
  );
  await delay(inForceBoundMs);
  const afterBroken = await load.get(target);
  rmSync(directory, { recursive: true });
  const ended = await running.stop();
  await load.close();

  const slowest = Math.round(Math.max(...latencies));
  const opaMs = Math.round(Math.max(...opaAlone));
  report.check(
    'policy in force after a save',
    `slowest of ${latencies.length}: ${slowest} ms; slowest opa test alone: ${opaMs} ms`,
    `<= ${inForceBoundMs} ms or ${inForceOverOpaMax} x opa test`,
    slowest <= Math.max(inForceBoundMs, inForceOverOpaMax * opaMs),
  );
  report.check(
    'a broken save changes nothing',
    `status ${afterBroken}`,
    '404 as before',
    afterBroken === 404,
  );
  report.check(
    'requests lost during the reloads',
    `${ended.failed} of ${ended.sent} at ${Math.round(ended.perSecond)}/s`,
    `0 at >= ${requestsPerSecond * 0.95}/s`,
    ended.failed === 0 && ended.perSecond >= requestsPerSecond * 0.95,
  );
}

async function opaTestMs(policies: string): Promise<number> {
  const startedMs = performance.now();
  await promisify(execFile)(npmOpa(), opaArguments(['test', '--bundle', policies]));
  return performance.now() - startedMs;
}

async function untilStatus(
  get: (target: string) => Promise<number>,
  target: string,
  status: number,
): Promise<number> {
  const startedMs = performance.now();
  while ((await get(target)) !== status) {
    if (performance.now() - startedMs > inForceBoundMs * 5) return Number.POSITIVE_INFINITY;
    await delay(20);
  }
  return performance.now() - startedMs;
}
