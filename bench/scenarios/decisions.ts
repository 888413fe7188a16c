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

type Case = { readonly policies: string; readonly input: object; readonly count: number };

/** Decisions in a process of their own, on the subject's core: the cases in turn, block by block. */
async function decide(world: World, cases: readonly Case[]): Promise<Decided[]> {
  const logFile = join(world.directory, `decisions-${Date.now()}.log`);
  const child = await startChild({
    name: 'decisions',
    command: [process.execPath, subjectFile('decisions')],
    core: 'subject',
    spec: { cases, blocks },
    logFile,
    ready: /^figures .*\n/m,
  });
  await child.stop();
  const line = /^figures (.*)$/m.exec(child.output())?.[1] ?? '[]';
  const decided = JSON.parse(line) as Decided[];
  // A default deny is quick, and no measure of the rules.
  const wrong = decided.find(({ verdicts }) => verdicts.join() !== 'allow');
  if (wrong !== undefined) throw new Error(`decisions were ${wrong.verdicts.join()}, not allow`);
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

/** `opa bench`: microseconds for one evaluation (median), the input parsed beforehand. */
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
  const { Extra: times } = JSON.parse(output.toString()) as {
    readonly Extra: Record<string, number>;
  };
  return (times['histogram_timer_rego_query_eval_ns_median'] ?? Number.NaN) / 1000;
}

/** What a decision costs, against OPA itself, against the size of the input, grants and tables. */
export async function decisions(world: World) {
  const { decisions: count } = world.counts;
  const { policies } = world;
  const table: Record<string, Record<string, number>> = {};
  const sizes = [1, 10, 64];
  const [read, ...creates] = await decide(world, [
    { policies, input: readInput, count },
    ...sizes.map((kilobytes) => ({
      policies,
      input: createInput(kilobytes * 1024),
      count: Math.max(200, Math.floor(count / (4 * kilobytes))),
    })),
  ]);
  if (read === undefined) throw new Error('nothing was decided');
  const row = (name: string, { blocks: some, residentGrowth }: Decided): void => {
    table[name] = {
      p50Us: median(some.map((block) => block.p50Us)),
      p99Us: median(some.map((block) => block.p99Us)),
      cpuUs: median(some.map((block) => block.cpuUs)),
      residentGrowth,
    };
  };
  row('an agent reads a pod', read);
  creates.forEach((one, at) => row(`a create with a body of ${sizes[at]} KB`, one));
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

/** Time growth: the same decision with much more data beside it. */
export async function growth(world: World) {
  const { decisions: count, grants, tableRules } = world.counts;
  const some = Math.max(1000, Math.floor(count / 5));
  const table: Record<string, Record<string, number>> = {};
  const ratio = async (
    id: string,
    topic: string,
    sizes: readonly [number, number],
    dataOf: (number: number) => object,
    input: object,
  ): Promise<Figure> => {
    const cases = sizes.map((size) => ({
      policies: policiesWith(world, `${id}-${size}`, topic, dataOf(size)),
      input,
      count: some,
    }));
    const decided = await decide(world, cases);
    const [few, many] = decided.map((one) => one.blocks.map((block) => block.p50Us));
    decided.forEach(({ loadedMs }, at) => {
      const p50Us = median((at === 0 ? few : many) ?? []);
      table[`${sizes[at]} ${id}`] = { p50Us, loadedMs };
    });
    return figure(
      (many ?? []).map((us, at) => us / (few?.[at] ?? Number.NaN)),
      {
        id: `growth/${id}`,
        what: `p50 of a decision with ${sizes[1]} ${id} / with ${sizes[0]}`,
        unit: 'x',
        target: { max: 1.1 },
        gate: true,
      },
    );
  };
  const figures = [
    await ratio('grants', 'pipelines', [10, grants], grantsOf, granteeInput('group-7')),
    await ratio('table rules', 'protected', [10, tableRules], tableOf, readInput),
    missing(
      'growth/sessions',
      'p50 of a request with 10,000 open sessions / with 10',
      'there are no sessions yet',
    ),
  ];
  return { figures, table };
}
