import { failed, type Figure } from '../support/figures.ts';
import { probe, type ExecFigures } from '../support/peers.ts';
import { targetOf, type Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';

const exec = { path: '/api/v1/namespaces/default/pods/small/exec', status: 101, bytes: 0 } as const;

/** Recorded streams against Go's bare ones: MB/s down, and one byte there and back. */
const targets = { rate: { min: 0.35 }, echo: { max: 1.3 } } as const;

type Row = {
  readonly megabytesPerSecond: number;
  readonly cpuNsPerByte: number;
  readonly echoP50Us: number;
  readonly echoP99Us: number;
};

/**
 * Exec over WebSocket as kubectl speaks it (v5.channel.k8s.io). A gateway that refuses it fails the scenario: an answer
 * that is not 101 is no figure.
 */
export async function execStreams(world: World, subjects: readonly Subject[]) {
  const { execBytes: bytes, echoes } = world.counts;
  const table: Record<string, Row> = {};
  const failures: Figure[] = [];
  for (const subject of subjects) {
    if (!['direct', 'go-h2', 'holdgate'].includes(subject.name)) continue;
    const token = subject.name === 'holdgate' ? world.tokens.person : subject.token;
    try {
      const one = await probe<ExecFigures>('exec', {
        target: targetOf(world, subject, 'h1', { ...exec, token }),
        bytes,
        echoes,
      });
      table[subject.name] = {
        megabytesPerSecond: one.bytes / one.seconds / 1e6,
        cpuNsPerByte: (one.cpuSeconds / one.bytes) * 1e9,
        echoP50Us: one.echo.p50Us,
        echoP99Us: one.echo.p99Us,
      };
    } catch (cause) {
      failures.push(failed(`exec/${subject.name}`, `exec through ${subject.name}`, cause));
    }
  }
  const [ours, theirs] = [table['holdgate'], table['go-h2']];
  if (ours === undefined || theirs === undefined) return { figures: failures, table };
  const figures: Figure[] = [
    {
      id: 'exec/rate-over-go-h2',
      what: "exec, standard output: MB/s / Go's",
      value: ours.megabytesPerSecond / theirs.megabytesPerSecond,
      unit: 'x',
      target: targets.rate,
      gate: true,
    },
    {
      id: 'exec/echo-over-go-h2',
      what: "exec, one byte there and back: p50 / Go's",
      value: ours.echoP50Us / theirs.echoP50Us,
      unit: 'x',
      target: targets.echo,
      gate: true,
    },
  ];
  return { figures: [...failures, ...figures], table };
}
