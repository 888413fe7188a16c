import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runForBytes } from '../support/processes.ts';
import { commandFacts, levelled, type Scenario, type Side } from './scenario.ts';

/** The two protocols that kubectl speaks to exec, attach and port-forward (KEP-4006), chosen by its environment. */
export const wires = [
  { wire: 'WebSocket', env: {} },
  {
    wire: 'SPDY',
    env: {
      KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false',
      KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false',
    },
  },
] as const;

export type Wire = (typeof wires)[number];

const mebibyte = 2 ** 20;
const stdinBytes = 10 * mebibyte;
const stdoutBytes = 20 * mebibyte;
const driver = join(import.meta.dirname, 'terminal.py');

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** A speed as it is printed. */
export const speed = (bytes: number, durationMs: number): string =>
  `${(bytes / mebibyte / (durationMs / 1000)).toFixed(0)} MiB/s`;

export const inBox = (...command: readonly string[]): readonly string[] => [
  'exec',
  'box',
  '-c',
  'main',
  '--',
  ...command,
];

/** Prints a line when the terminal has the size that is awaited: a resize arrives when it arrives. */
const awaitSizes = [
  'trap "echo interrupted; exit 4" INT',
  'until [ "$(stty size)" = "30 100" ]; do sleep 0.05; done; echo first size',
  'until [ "$(stty size)" = "50 132" ]; do sleep 0.05; done; echo second size',
  'read -r line; echo "got $line"',
  'while :; do sleep 0.05; done',
].join('\n');

type Step = { readonly size: readonly [number, number] } | { send: string } | { until: string };

const terminalSteps: readonly Step[] = [
  { size: [30, 100] },
  { until: 'first size' },
  { size: [50, 132] },
  { until: 'second size' },
  { send: 'typed\r' },
  { until: 'got typed' },
  { send: '\u0003' },
];

async function onTerminal(side: Side, wire: Wire, steps: readonly Step[], args: readonly string[]) {
  const command = side.command(args);
  return run('python3', [driver, JSON.stringify(steps), ...command], {
    env: { ...side.env, ...wire.env },
    timeoutMs: 120_000,
  });
}

function exitCodes(wire: Wire): readonly Scenario[] {
  return [0, 1, 3, 137].map((code) => ({
    name: `kubectl exec (${wire.wire}): exit code ${code}`,
    expected: { code },
    run: async (side) => {
      const script = `echo out; echo problem >&2; exit ${code}`;
      const done = await side.kubectl(inBox('sh', '-c', script), { env: wire.env });
      return { facts: commandFacts(done, side) };
    },
  }));
}

function refusals(wire: Wire): readonly Scenario[] {
  const cases = [
    { what: 'a command that is missing', args: inBox('no-such-command'), expected: { code: 127 } },
    {
      what: 'a container that is missing',
      args: ['exec', 'box', '-c', 'nobody', '--', 'true'],
      expected: { code: 1, stderr: /container nobody is not valid|container not found/ },
    },
    {
      what: 'a pod that is missing',
      args: ['exec', 'nobody', '--', 'true'],
      expected: { code: 1, stderr: /NotFound/ },
    },
    {
      what: 'the first container by default',
      args: ['exec', 'box', '--', 'echo', 'by default'],
      expected: { code: 0, stdout: 'by default\n', stderr: /Defaulted container "main"/ },
    },
  ];
  return cases.map(({ what, args, expected }) => ({
    name: `kubectl exec (${wire.wire}): ${what}`,
    expected,
    run: async (side) => ({
      facts: commandFacts(await side.kubectl(args, { env: wire.env }), side),
    }),
  }));
}

function bulk(wire: Wire): readonly Scenario[] {
  const input = randomBytes(stdinBytes);
  return [
    {
      name: `kubectl exec (${wire.wire}): ${stdinBytes / mebibyte} MiB of input`,
      expected: { code: 0, stdout: `${sha256(input)}  -\n` },
      measured: true,
      run: async (side) => {
        const args = ['exec', '-i', 'box', '-c', 'main', '--', 'sha256sum'];
        const done = await side.kubectl(args, { env: wire.env, input });
        return { facts: commandFacts(done, side), figure: speed(stdinBytes, done.durationMs) };
      },
    },
    {
      name: `kubectl exec (${wire.wire}): ${stdoutBytes / mebibyte} MiB of output`,
      expected: { code: 0, bytes: stdoutBytes },
      measured: true,
      run: async (side) => {
        const script = `i=0; while [ $i -lt 40 ]; do seq $i 1000000 | head -c ${stdoutBytes / 40}; i=$((i+1)); done`;
        const [program, ...args] = side.command(inBox('sh', '-c', script));
        const done = await runForBytes(program, args, { env: { ...side.env, ...wire.env } });
        return {
          facts: {
            code: done.code,
            stderr: levelled(done.stderr, side),
            bytes: done.stdout.length,
            sha256: sha256(done.stdout),
          },
          figure: speed(done.stdout.length, done.durationMs),
        };
      },
    },
    {
      name: `kubectl exec (${wire.wire}): output and errors apart`,
      expected: { code: 0, stdoutLines: 2000, stderrLines: 2000, mixed: false },
      run: async (side) => {
        const script =
          'i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done';
        const done = await side.kubectl(inBox('sh', '-c', script), { env: wire.env });
        const facts = commandFacts(done, side);
        return {
          facts: {
            ...facts,
            stdoutLines: done.stdout.split('\n').length - 1,
            stderrLines: done.stderr.split('\n').length - 1,
            mixed: done.stdout.includes('err') || done.stderr.includes('out'),
          },
        };
      },
    },
    {
      name: `kubectl exec (${wire.wire}): input that nobody reads`,
      expected: { code: 5, stdout: '', lastLine: 'command terminated with exit code 5' },
      run: async (side) => {
        const args = ['exec', '-i', 'box', '-c', 'main', '--', 'sh', '-c', 'exec <&-; exit 5'];
        const done = await side.kubectl(args, { env: wire.env, input: 'unread\n' });
        // kubectl logs that it cannot write when the end is there before the input is sent: a race of its own.
        const lastLine = done.stderr.trimEnd().split('\n').at(-1) ?? '';
        return { facts: { code: done.code, stdout: done.stdout, lastLine } };
      },
    },
  ];
}

function terminals(wire: Wire): readonly Scenario[] {
  return [
    {
      name: `kubectl exec -it (${wire.wire}): a terminal, resized, typed in, interrupted`,
      expected: {
        code: 4,
        shown: /first size\r\nsecond size\r\n(typed\r\n)?got typed\r\n(\^C)?interrupted/,
      },
      run: async (side) => {
        const args = ['exec', '-it', 'box', '-c', 'main', '--', 'sh', '-c', awaitSizes];
        const done = await onTerminal(side, wire, terminalSteps, args);
        return {
          facts: { code: done.code, shown: levelled(done.stdout, side), stderr: done.stderr },
        };
      },
    },
  ];
}

/** kubectl falls back to the other protocol without a word; the API server's audit log says which one reached it. */
function proofOfWire(wire: Wire, auditLog: string): Scenario {
  const verb = wire.wire === 'WebSocket' ? 'get' : 'create';
  return {
    name: `kubectl exec (${wire.wire}): no other protocol reaches the API server`,
    expected: { code: 0, verb },
    run: async (side) => {
      const mark = `mark-${randomUUID()}`;
      const done = await side.kubectl(inBox('true', mark), { env: wire.env });
      const line = readFileSync(auditLog, 'utf8')
        .split('\n')
        .find((one) => one.includes(mark));
      const event = line === undefined ? {} : (JSON.parse(line) as { readonly verb?: string });
      return { facts: { code: done.code, verb: event.verb ?? 'not in the audit log' } };
    },
  };
}

/** `kubectl exec`, over one protocol. */
export const execScenarios = (wire: Wire, auditLog: string): readonly Scenario[] => [
  proofOfWire(wire, auditLog),
  ...exitCodes(wire),
  ...refusals(wire),
  ...bulk(wire),
  ...terminals(wire),
];
