import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { createLog } from '../../src/base/log.ts';
import {
  isComplete,
  programCacheDirectory,
  programsIn,
  systemProgramSearchPorts,
} from '../../src/local/control-plane-programs.ts';
import { startControlPlane } from '../../src/local/control-plane.ts';
import type { TestClusterAccess } from './cluster.ts';

declare module 'vitest' {
  // eslint-disable-next-line typescript/consistent-type-definitions -- declaration merging needs an interface
  export interface ProvidedContext {
    /** The tier's control plane, or why there is none. */
    holdgateCluster: { access: TestClusterAccess } | { missing: string };
  }
}

/**
 * Global setup of the cluster tier: one real control plane for the whole run. Where its programs are not built, the
 * tier is not run, which is said aloud; with HOLDGATE_REQUIRE_CLUSTER=1 it is a failure.
 */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const cache = programCacheDirectory(process.env, homedir());
  const programs = programsIn(cache, systemProgramSearchPorts.isProgram);
  if (programs === null || !isComplete(programs)) {
    const missing = `the control plane's programs are not in ${cache}; build them with test/cluster/build.sh`;
    if (process.env['HOLDGATE_REQUIRE_CLUSTER'] === '1') throw new Error(missing);
    process.stderr.write(`\ncluster tier NOT RUN: ${missing}\n\n`);
    project.provide('holdgateCluster', { missing });
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-cluster-'));
  const log = createLog('warn', (line) => process.stderr.write(line));
  const path = process.env['PATH'] ?? '/usr/bin:/bin';
  const plane = await startControlPlane({ programs, directory, path, log });
  project.provide('holdgateCluster', {
    access: {
      server: plane.server,
      caFile: plane.caFile,
      adminKubeconfig: plane.adminKubeconfig,
      gatewayTokenFile: plane.gatewayTokenFile,
      auditLog: plane.auditLog,
      podsDirectory: join(directory, 'pods'),
      kubectl: programs.kubectl ?? 'kubectl',
    },
  });
  return async () => {
    await plane.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}
