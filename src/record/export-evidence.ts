import type { Clock } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { EvidenceSource } from './bundle/evidence-source.ts';
import { bundleVersion, type EvidenceScope } from './bundle/manifest.ts';
import { writeBundle, type BundleCounts } from './bundle/write-bundle.ts';
import type { ExportEntry, Recorder } from './entry.ts';
import type { DeploymentKey } from './signing/deployment-key.ts';

/** Bundles that are made at a time in one process: each reads as fast as its reader takes it. */
const exportsCountMax = 2;

export type EvidenceExports = {
  /**
   * Makes a bundle for somebody, as a stream to be read. That it was asked for is committed before its first byte; how it
   * ended is recorded behind its last one. Refused: more than two at a time, and a record that is down.
   */
  readonly open: (
    scope: EvidenceScope,
    by: ExportEntry['by'],
  ) => Promise<Result<AsyncGenerator<Buffer, void, void>, Refusal>>;
};

/** Makes bundles of what the source has, sealed by the deployment's key, and puts each on record. */
export function createEvidenceExports(options: {
  readonly source: EvidenceSource;
  readonly recorder: Pick<Recorder, 'append'>;
  readonly deploymentKey: DeploymentKey;
  readonly clock: Clock;
}): EvidenceExports {
  const { source, recorder, deploymentKey, clock } = options;
  let running = 0;
  const entryOf = (scope: EvidenceScope, by: ExportEntry['by']): Omit<ExportEntry, 'stage'> => ({
    kind: 'export',
    requestId: '',
    cluster: '',
    by,
    scope: { from: null, until: null, approval: null, requests: [], ...scope },
    counts: null,
  });
  const pieces = async function* pieces(
    scope: EvidenceScope,
    by: ExportEntry['by'],
  ): AsyncGenerator<Buffer, void, void> {
    const { deployment, signer } = deploymentKey;
    const manifest = {
      v: bundleVersion,
      deployment,
      deploymentKey: signer.vkey,
      madeAt: new Date(clock.nowMs()).toISOString(),
      madeBy: by.username,
      scope,
    } as const;
    const counts: BundleCounts = { records: 0, streams: 0, ledgerEntries: 0 };
    let stage: ExportEntry['stage'] = 'broken-off';
    try {
      yield* writeBundle({ source, manifest, key: signer, counts });
      stage = 'ended';
    } finally {
      running -= 1;
      await recorder.append({ ...entryOf(scope, by), stage, counts });
    }
  };
  return {
    open: async (scope, by) => {
      if (running >= exportsCountMax) {
        const message = `${exportsCountMax} bundles are being made already; ask again when they are done`;
        return err(refusal('HOLDGATE_RECORD_EXPORTS_TOO_MANY', message));
      }
      running += 1;
      try {
        await recorder.append({ ...entryOf(scope, by), stage: 'begun' });
      } catch (cause) {
        running -= 1;
        throw cause;
      }
      return ok(pieces(scope, by));
    },
  };
}
