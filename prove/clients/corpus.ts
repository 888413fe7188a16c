import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DecisionDetail } from '../../src/store/index.ts';
import { auditLogBytes, readAuditLog, type AuditEvent } from '../support/audit-log.ts';
import { createPeopleApi, type PeopleApi } from '../support/people-api.ts';
import { createRawClient, type RawAnswer } from '../support/raw-client.ts';
import type { Report } from '../support/report.ts';
import { allowEverythingToPeople, type World } from '../support/world.ts';
import { makePlace } from './corpus-objects.ts';
import { endsOf, passed, reportCorpus, type Done, type Log } from './corpus-report.ts';
import { corpusRequests, type CorpusRequest } from './corpus-requests.ts';

const sentAtOnce = 16;
const requestTimeoutMs = 15_000;
const auditWithinMs = 20_000;

/**
 * Policies under which the local person's whole corpus passes, tokens, certificates and proxies included, which the
 * starter policies deny to everybody. To be given to `createWorld` as `prepare`.
 */
export function letTheCorpusThrough(policies: string): void {
  allowEverythingToPeople(policies);
  for (const rule of ['surfaces', 'protected']) {
    rmSync(join(policies, 'rules', rule), { recursive: true });
    rmSync(join(policies, rule), { recursive: true });
  }
  // The starter policies' tests say what is denied, and a policy whose tests fail is not loaded.
  const files = readdirSync(policies, { recursive: true, encoding: 'utf8' });
  for (const file of files) if (file.endsWith('_test.rego')) rmSync(join(policies, file));
}

/**
 * A generated corpus through the gateway: the API server's own audit log must name what our decision records name, hold
 * every request that was let through once, and none that was refused. The same seed sends the same requests.
 */
export async function proveCorpus(
  world: World,
  report: Report,
  count: number,
  seed: number = randomInt(2 ** 32 - 1),
): Promise<void> {
  const name = `corpus-${seed.toString(36)}-${Date.now().toString(36)}`;
  const place = await makePlace(world, name);
  const requests = corpusRequests(seed, count, place);
  const fromByte = auditLogBytes(world.cluster.auditLog);
  const answers = await sendAll(world, requests);
  const people = await createPeopleApi(world);
  try {
    const done = await withDetails(people, requests, answers);
    const log = await untilComplete(world, fromByte, done);
    reportCorpus(report, done, log, seed);
  } finally {
    await people.close();
  }
}

async function tokenOf(world: World, who: 'person' | 'agent'): Promise<string> {
  const minted = await world.holdgate(['token', '--identity', who, '--config', world.config]);
  if (minted.code !== 0) throw new Error(`holdgate token: ${minted.stderr}`);
  return (JSON.parse(minted.stdout) as { readonly token: string }).token;
}

/** Runs a task for each item, some at a time; the results stand in the items' order. */
async function inParallel<T, R>(
  items: readonly T[],
  task: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await task(item, index);
  };
  await Promise.all(Array.from({ length: sentAtOnce }, worker));
  return results;
}

async function sendAll(
  world: World,
  requests: readonly CorpusRequest[],
): Promise<readonly RawAnswer[]> {
  const tokens = { person: await tokenOf(world, 'person'), agent: await tokenOf(world, 'agent') };
  const ca = readFileSync(join(world.dataDirectory, 'tls', 'ca.crt'));
  const client = createRawClient({ url: world.dataUrl, ca, timeoutMs: requestTimeoutMs });
  try {
    return await inParallel(requests, ({ raw, who, marker, contentType }) =>
      client.send({
        ...raw,
        headers: {
          authorization: `Bearer ${tokens[who]}`,
          'user-agent': marker,
          accept: 'application/json',
          ...(raw.body === null ? {} : { 'content-type': contentType }),
        },
      }),
    );
  } finally {
    client.close();
  }
}

async function withDetails(
  people: PeopleApi,
  requests: readonly CorpusRequest[],
  answers: readonly RawAnswer[],
): Promise<readonly Done[]> {
  return inParallel(requests, async (request, index) => {
    const answer = answers[index];
    if (answer === undefined) throw new Error(`request ${index} was not sent`);
    if (answer.auditId === '') return { request, answer, detail: null };
    const path = `/api/v1/decisions/${encodeURIComponent(answer.auditId)}`;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own API, which the differences would show to be another
    return { request, answer, detail: (await people.get(path)) as DecisionDetail | null };
  });
}

function byAuditId(events: readonly AuditEvent[]): Log['byId'] {
  const byId = new Map<string, AuditEvent[]>();
  for (const event of events) {
    const others = byId.get(event.auditID);
    if (others === undefined) byId.set(event.auditID, [event]);
    else others.push(event);
  }
  return byId;
}

/** The audit log once it has an end for each request that was let through, or after the time for that. */
async function untilComplete(world: World, fromByte: number, done: readonly Done[]): Promise<Log> {
  const deadlineMs = performance.now() + auditWithinMs;
  for (;;) {
    const all = readAuditLog(world.cluster.auditLog, fromByte);
    const log: Log = { all, byId: byAuditId(all) };
    const open = done.filter((one) => passed(one) && endsOf(log, one.answer.auditId).length === 0);
    if (open.length === 0 || performance.now() > deadlineMs) return log;
    await delay(500);
  }
}
