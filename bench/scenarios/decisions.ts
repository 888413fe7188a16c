import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentOpa, npmOpa } from '../../test/support/opa.ts';
import { subjectFile } from '../support/build.ts';
import { startChild } from '../support/child.ts';
import { createInput, granteeInput, readInput } from '../support/decision-inputs.ts';
import { figure, median, missing, type Figure } from '../support/figures.ts';
import { pinned } from '../support/machine.ts';
import { probe, type Blocks } from '../support/peers.ts';
import type { World } from '../support/world.ts';

type Decided = {
  readonly loadedMs: number;
  readonly blocks: readonly {
    readonly p50Us: number;
    readonly p99Us: number;
    readonly cpuUs: number;
  }[];
  readonly verdicts: readonly string[];
  readonly residentGrowth: number;
};

const blocks = 5;

/** Decisions in a process of their own, on the subject's core. */
async function decide(
  world: World,
  policies: string,
  input: object,
  count: number,
  expected: string,
): Promise<Decided> {
  const logFile = join(world.directory, `decisions-${Date.now()}.log`);
  const child = await startChild({
    name: 'decisions',
    command: [process.execPath, subjectFile('decisions')],
    core: 'subject',
    spec: { policies, input, count, blocks },
    logFile,
    ready: /^figures .*\n/m,
  });
  await child.stop();
  const line = /^figures (.*)$/m.exec(child.output())?.[1] ?? 'null';
  const decided = JSON.parse(line) as Decided;
  // A default deny is quick, and no measure of the rules.
  if (decided.verdicts.join() !== expected) {
    throw new Error(`the decisions were ${decided.verdicts.join()}, not ${expected}`);
  }
  return decided;
}

type OpaFigures = {
  readonly version: string;
  readonly restUs: readonly number[];
  readonly benchUs: number;
};

/** Rules and data without tests and schemas, as the gateway itself compiles them. */
function plainPolicies(world: World): string {
  const directory = join(world.directory, 'plain-policies');
  rmSync(directory, { recursive: true, force: true });
  cpSync(world.policies, directory, { recursive: true });
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    if (/_test\.rego$|schema\.json$/.test(name)) rmSync(join(directory, name));
  }
  return directory;
}

/** The same policy in OPA itself: as a server that is asked over HTTP, and by its own benchmark in Go. */
async function opaFigures(world: World, opa: string): Promise<OpaFigures> {
  const directory = plainPolicies(world);
  const version =
    execFileSync(opa, ['version']).toString().split('\n')[0]?.replace('Version: ', '') ?? '';
  const port = await world.freePort();
  const server = await startChild({
    name: 'opa',
    command: [
      opa,
      'run',
      '--server',
      '--v1-compatible',
      '--addr',
      `127.0.0.1:${port}`,
      '--log-level',
      'info',
      '-b',
      directory,
    ],
    core: 'subject',
    env: { GOMAXPROCS: '1' },
    logFile: join(world.directory, `opa-${port}.log`),
    ready: /Initializing server/,
  });
  const request = {
    method: 'POST',
    path: '/v1/data/gate/decision',
    token: '',
    body: JSON.stringify({ input: readInput }),
    status: 200,
    bytes: 0,
  };
  try {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const target = {
      name: 'opa',
      url: `http://127.0.0.1:${port}`,
      ca: '',
      protocol: 'h1',
      pids: [],
      request,
    };
    const rounds = Math.min(1000, world.counts.rounds);
    const measured = await probe<Blocks>('rounds', {
      targets: [target],
      blocks,
      rounds,
      warmUp: 200,
    });
    const restUs = measured.blocks.map((block) => block['opa']?.p50Us ?? Number.NaN);
    return { version, restUs, benchUs: opaBench(world, opa, directory) };
  } finally {
    await server.stop();
  }
}

/** `opa bench`: microseconds for one evaluation, the input parsed beforehand. */
function opaBench(world: World, opa: string, directory: string): number {
  const file = join(world.directory, 'input.json');
  writeFileSync(file, JSON.stringify(readInput));
  const [program = '', ...args] = pinned('subject', [
    opa,
    'bench',
    '--v1-compatible',
    '--format',
    'json',
    '--bundle',
    directory,
    '--input',
    file,
    'data.gate.decision',
  ]);
  const output = execFileSync(program, args, { env: { ...process.env, GOMAXPROCS: '1' } });
  const result = JSON.parse(output.toString()) as { readonly N: number; readonly T: number };
  return result.T / result.N / 1000;
}

/** What a decision costs, against OPA itself, against the size of the input, grants and tables. */
export async function decisions(world: World) {
  const { decisions: count } = world.counts;
  const table: Record<string, object> = {};
  const row = (name: string, one: Decided): Decided => {
    table[name] = {
      p50Us: median(one.blocks.map((block) => block.p50Us)),
      p99Us: median(one.blocks.map((block) => block.p99Us)),
      loadedMs: one.loadedMs,
      residentGrowth: one.residentGrowth,
    };
    return one;
  };
  const read = row(
    'an agent reads a pod',
    await decide(world, world.policies, readInput, count, 'allow'),
  );
  for (const kilobytes of [1, 10, 64]) {
    const some = Math.max(200, Math.floor(count / (4 * kilobytes)));
    const input = createInput(kilobytes * 1024);
    row(`a create with ${kilobytes} KB`, await decide(world, world.policies, input, some, 'allow'));
  }
  const p50 = read.blocks.map((block) => block.p50Us);
  const figures: Figure[] = [
    figure(
      read.blocks.map((block) => 1e6 / block.cpuUs),
      {
        id: 'decisions/per-second',
        what: "decisions a second of a core, the starter policies' read",
        unit: '1/s',
        target: { min: 30_000 },
      },
    ),
  ];
  for (const [name, opa] of [
    ['npm', npmOpa()],
    ['current', currentOpa()],
  ] as const) {
    const [rest, go] = [`decisions/over-opa-rest-${name}`, `decisions/over-opa-go-${name}`];
    if (opa === null) {
      figures.push(
        missing(rest, 'decisions against the current OPA', 'it is not here (.ci/run builds it)'),
      );
      continue;
    }
    const { version, restUs, benchUs } = await opaFigures(world, opa);
    table[`OPA ${version}, REST`] = { p50Us: median(restUs) };
    table[`OPA ${version}, opa bench`] = { p50Us: benchUs };
    figures.push(
      figure(
        restUs.map((us, at) => us / (p50[at] ?? Number.NaN)),
        {
          id: rest,
          what: `p50 of OPA ${version} over REST / ours`,
          unit: 'x',
          target: { min: 15 },
          ...(name === 'npm' ? { gate: true } : {}),
        },
      ),
      figure(
        p50.map((us) => benchUs / us),
        {
          id: go,
          what: `one evaluation in OPA ${version} (Go) / ours`,
          unit: 'x',
          target: { min: 10 },
          ...(name === 'npm' ? { gate: true } : {}),
        },
      ),
    );
  }
  return { figures, table };
}

/** The starter policies with one topic's data replaced. JSON is YAML. */
function policiesWith(world: World, name: string, topic: string, data: object): string {
  const directory = join(world.directory, `policies-${name}`);
  cpSync(world.policies, directory, { recursive: true });
  writeFileSync(join(directory, topic, 'data.yaml'), JSON.stringify(data));
  return directory;
}

const grant = { namespaces: ['shop'], verbs: ['create'], resources: { apps: ['deployments'] } };

const grantsOf = (number: number): object => ({
  groups: Object.fromEntries(Array.from({ length: number }, (_, at) => [`group-${at}`, [grant]])),
});

const tableOf = (number: number): object => ({
  namespaces: Object.fromEntries(
    Array.from({ length: number }, (_, at) => [
      `namespace-${at}`,
      { approvers: ['payments-oncall'] },
    ]),
  ),
});

/** Time growth: the same decision with ten times ten times more beside it. */
export async function growth(world: World) {
  const { decisions: count, grants, tableRules } = world.counts;
  const some = Math.max(1000, Math.floor(count / 5));
  const table: Record<string, object> = {};
  const p50 = async (name: string, topic: string, data: object, input: object, verdict: string) => {
    const one = await decide(world, policiesWith(world, name, topic, data), input, some, verdict);
    const us = one.blocks.map((block) => block.p50Us);
    table[name] = { p50Us: median(us), loadedMs: one.loadedMs };
    return us;
  };
  const grantee = granteeInput('group-7');
  const few = await p50('10 grants', 'pipelines', grantsOf(10), grantee, 'allow');
  const many = await p50(`${grants} grants`, 'pipelines', grantsOf(grants), grantee, 'allow');
  const small = await p50('10 table rules', 'protected', tableOf(10), readInput, 'allow');
  const large = await p50(
    `${tableRules} table rules`,
    'protected',
    tableOf(tableRules),
    readInput,
    'allow',
  );
  const ratio = (id: string, what: string, one: number[], other: number[]): Figure =>
    figure(
      other.map((us, at) => us / (one[at] ?? Number.NaN)),
      {
        id: `growth/${id}`,
        what,
        unit: 'x',
        target: { max: 1.1 },
        gate: true,
      },
    );
  const figures = [
    ratio('grants', `p50 of a decision with ${grants} grants / with 10`, few, many),
    ratio('table', `p50 of a decision with ${tableRules} rules in a table / with 10`, small, large),
    missing(
      'growth/sessions',
      'p50 of a request with 10,000 open sessions / with 10',
      'there are no sessions yet',
    ),
  ];
  return { figures, table };
}
