import { homedir } from 'node:os';
import {
  cloneBuildScript,
  findControlPlanePrograms,
  systemProgramSearchPorts,
  type ControlPlanePrograms,
} from '../../src/local/control-plane-programs.ts';

/** The control plane's programs, all of them: an acceptance run without controllers or a node would prove little. */
export async function findPrograms(): Promise<ControlPlanePrograms> {
  const found = await findControlPlanePrograms({
    env: process.env,
    platform: process.platform,
    arch: process.arch,
    homeDirectory: homedir(),
    buildScript: cloneBuildScript(),
    progress: (line) => process.stderr.write(`${line}\n`),
    ports: systemProgramSearchPorts,
  });
  if (!found.ok) throw new Error(found.error);
  if (found.value.kind !== 'programs')
    throw new Error('the acceptance run needs local programs, not a container');
  return found.value.programs;
}
