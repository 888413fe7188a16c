import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256, speed, type Wire } from './kubectl-exec.ts';
import { commandFacts, type Scenario } from './scenario.ts';

const mebibyte = 2 ** 20;
const copyTimeoutMs = 300_000;

function bigFile(wire: Wire, bytes: number): readonly Scenario[] {
  const size = `${bytes / mebibyte} MiB`;
  const name = `big-${wire.wire}`;
  const content = randomBytes(bytes);
  const digest = sha256(content);
  return [
    {
      name: `kubectl cp (${wire.wire}): ${size} to a pod`,
      expected: { code: 0, sha256: digest },
      measured: true,
      run: async (side) => {
        const file = join(side.directory, name);
        writeFileSync(file, content);
        const args = ['cp', '-c', 'main', file, `box:${name}`];
        const done = await side.kubectl(args, { env: wire.env, timeoutMs: copyTimeoutMs });
        const arrived = readFileSync(join(side.pods, 'box', name));
        return {
          facts: { ...commandFacts(done, side), sha256: sha256(arrived) },
          figure: speed(bytes, done.durationMs),
        };
      },
    },
    {
      name: `kubectl cp (${wire.wire}): ${size} from a pod`,
      expected: { code: 0, sha256: digest },
      measured: true,
      run: async (side) => {
        const file = join(side.directory, `${name}-back`);
        mkdirSync(join(side.pods, 'box'), { recursive: true });
        writeFileSync(join(side.pods, 'box', `${name}-source`), content);
        const args = ['cp', '-c', 'main', `box:${name}-source`, file];
        const done = await side.kubectl(args, { env: wire.env, timeoutMs: copyTimeoutMs });
        return {
          facts: { ...commandFacts(done, side), sha256: sha256(readFileSync(file)) },
          figure: speed(bytes, done.durationMs),
        };
      },
    },
  ];
}

function tree(wire: Wire): Scenario {
  return {
    name: `kubectl cp (${wire.wire}): a directory there and back`,
    expected: { there: 0, back: 0, files: 200, wrong: 0 },
    run: async (side) => {
      const source = join(side.directory, `tree-${wire.wire}`);
      const contents = new Map<string, Buffer>();
      for (let index = 0; index < 200; index += 1) {
        const folder = `folder-${index % 10}`;
        mkdirSync(join(source, folder), { recursive: true });
        const name = join(folder, `file-${index}`);
        contents.set(name, Buffer.alloc(index * 37, `${index} `));
        writeFileSync(join(source, name), contents.get(name)!);
      }
      const inPod = `tree-${wire.wire}`;
      const env = wire.env;
      const there = await side.kubectl(['cp', '-c', 'main', source, `box:${inPod}`], { env });
      const target = `${source}-back`;
      const back = await side.kubectl(['cp', '-c', 'main', `box:${inPod}`, target], { env });
      const wrong = [...contents].filter(
        ([name, content]) => !readFileSync(join(target, name)).equals(content),
      );
      return {
        facts: {
          there: there.code,
          back: back.code,
          files: contents.size,
          wrong: wrong.length,
          stderr: commandFacts(back, side)['stderr'] ?? '',
        },
      };
    },
  };
}

/** kubectl says what tar said when it is in time for it, and its exit code is 0 either way: only what is left is compared. */
function missing(wire: Wire): Scenario {
  return {
    name: `kubectl cp (${wire.wire}): a file that is missing`,
    expected: { code: 0, made: false, otherText: '' },
    run: async (side) => {
      const target = join(side.directory, `nothing-${wire.wire}`);
      const args = ['cp', '-c', 'main', 'box:no-such-file', target];
      const done = await side.kubectl(args, { env: wire.env });
      const tarLine = /^(tar: .*|command terminated with exit code 2|)$/;
      const otherText = done.stderr.split('\n').filter((line) => !tarLine.test(line));
      return {
        facts: { code: done.code, made: existsSync(target), otherText: otherText.join('\n') },
      };
    },
  };
}

/** `kubectl cp`, over one protocol: exec with tar at the far end. */
export const copyScenarios = (wire: Wire, bytes: number): readonly Scenario[] => [
  ...bigFile(wire, bytes),
  tree(wire),
  missing(wire),
];
