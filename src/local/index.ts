/**
 * The first run on one machine: a disposable control plane on loopback, and the objects that the demo shows. In: where
 * the machine keeps things. Out: a cluster to put behind the gateway. Nothing here serves a request.
 * @module
 */
export {
  cloneBuildScript,
  findControlPlanePrograms,
  systemProgramSearchPorts,
} from './control-plane-programs.ts';
export type { ControlPlaneSource, ProgramSearch } from './control-plane-programs.ts';
export type { ControlPlane } from './control-plane.ts';
export { startFromSource } from './start-from-source.ts';
export {
  applyDemoObjects,
  contextDemoObjects,
  contextNamespace,
  seedDemoObjects,
} from './demo-objects.ts';
export { localRealms, openLocalIssuer } from './local-issuer.ts';
export type { LocalIdentityName, LocalIssuer, LocalRealm } from './local-issuer.ts';
export { localDataAudience, localProfile, withLocalIdentities } from './local-profile.ts';
