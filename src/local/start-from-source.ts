import type { Log } from '../base/log.ts';
import type { ControlPlaneSource } from './control-plane-programs.ts';
import { startControlPlane, type ControlPlane } from './control-plane.ts';
import { dockerCommand, startK3sControlPlane } from './k3s-control-plane.ts';

/** Starts whichever control plane `findControlPlanePrograms` found, with its state in `directory`. */
export function startFromSource(
  source: ControlPlaneSource,
  options: { readonly directory: string; readonly path: string; readonly log: Log },
): Promise<ControlPlane> {
  if (source.kind === 'programs') {
    return startControlPlane({ programs: source.programs, ...options });
  }
  const { docker, image } = source;
  const { directory, log } = options;
  return startK3sControlPlane({ docker: dockerCommand(docker), image, directory, log });
}
