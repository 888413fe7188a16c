import type { Log } from '../base/log.ts';
import type { Observation } from '../flow/ports.ts';

const usPerMs = 1000;
const rounded = (ms: number): number => Math.round(ms * usPerMs) / usPerMs;

/** The line of a finished request: who, what, the verdict with its rules, and how long each stage took (ms from its start). */
export function logRequest(log: Log, seen: Observation): void {
  const stagesMs: Record<string, number> = {};
  for (const stage of Object.keys(seen.stagesMs)) {
    stagesMs[stage] = rounded(seen.stagesMs[stage] ?? 0);
  }
  log.info('request', {
    request: seen.requestId,
    cluster: seen.cluster,
    username: seen.username,
    verb: seen.verb,
    resource: seen.resource,
    namespace: seen.namespace,
    name: seen.name,
    verdict: seen.verdict,
    rules: seen.rules,
    code: seen.code,
    status: seen.status,
    duration_ms: rounded(seen.durationMs),
    stages_ms: stagesMs,
  });
}
