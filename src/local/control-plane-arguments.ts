import { join } from 'node:path';
import type { ControlPlanePki } from './control-plane-pki.ts';

/** The loopback TCP ports of a local control plane. */
export type ControlPlanePorts = {
  readonly apiServer: number;
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly node: number;
  readonly controllerManager: number;
  readonly scheduler: number;
  readonly kwok: number;
};

/** What the programs' arguments are made of: absolute paths, loopback addresses. */
export type ArgumentInput = {
  readonly directory: string;
  readonly pki: ControlPlanePki;
  readonly ports: ControlPlanePorts;
};

const loopback = (scheme: string, port: number): string => `${scheme}://127.0.0.1:${port}`;

/** etcd without fsync: the data is disposable, and a killed process loses nothing (only a crash of the machine does). */
export function etcdArguments({ directory, ports }: ArgumentInput): string[] {
  return [
    ['--data-dir', join(directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
    ['--listen-peer-urls', loopback('http', ports.etcdPeer)],
    ['--listen-client-urls', loopback('http', ports.etcd)],
    ['--advertise-client-urls', loopback('http', ports.etcd)],
  ].flat();
}

/**
 * kube-apiserver. Without a controller manager nobody makes the `default` service accounts, so pods could not be
 * created: then the ServiceAccount admission plugin is off. `extra` comes last, so it wins over ours.
 */
export function apiServerArguments(
  { directory, pki, ports }: ArgumentInput,
  options: { readonly controllers: boolean; readonly extra: readonly string[] },
): string[] {
  return [
    ['--etcd-servers', loopback('http', ports.etcd)],
    ['--secure-port', String(ports.apiServer), '--bind-address', '127.0.0.1'],
    ['--endpoint-reconciler-type', 'none', '--service-cluster-ip-range', '10.0.0.0/16'],
    ['--authorization-mode', 'Node,RBAC', '--allow-privileged'],
    ['--client-ca-file', pki.caFile],
    ['--tls-cert-file', pki.certificateFile('apiserver')],
    ['--tls-private-key-file', pki.keyFile('apiserver')],
    ['--token-auth-file', join(directory, 'tokens.csv')],
    ['--service-account-issuer', loopback('https', ports.apiServer)],
    ['--service-account-key-file', pki.keyFile('sa')],
    ['--service-account-signing-key-file', pki.keyFile('sa')],
    ['--kubelet-client-certificate', pki.certificateFile('kubelet-client')],
    ['--kubelet-client-key', pki.keyFile('kubelet-client')],
    ['--kubelet-preferred-address-types', 'InternalIP'],
    ['--audit-policy-file', join(directory, 'audit-policy.json')],
    ['--audit-log-path', join(directory, 'audit.log')],
    options.controllers ? [] : ['--disable-admission-plugins', 'ServiceAccount'],
    options.extra,
  ].flat();
}

export function controllerManagerArguments({ directory, pki, ports }: ArgumentInput): string[] {
  return [
    ['--kubeconfig', join(directory, 'controllers.kubeconfig'), '--leader-elect=false'],
    ['--bind-address', '127.0.0.1', '--secure-port', String(ports.controllerManager)],
    ['--root-ca-file', pki.caFile],
    ['--service-account-private-key-file', pki.keyFile('sa')],
    // A machine that slept must not find all its pods evicted.
    ['--node-monitor-grace-period', '24h'],
    ['--cluster-signing-cert-file', pki.caFile, '--cluster-signing-key-file', pki.keyFile('ca')],
  ].flat();
}

export function schedulerArguments({ directory, ports }: ArgumentInput): string[] {
  return [
    ['--kubeconfig', join(directory, 'controllers.kubeconfig'), '--leader-elect=false'],
    ['--bind-address', '127.0.0.1', '--secure-port', String(ports.scheduler)],
  ].flat();
}

export function nodestubArguments({ directory, pki, ports }: ArgumentInput): string[] {
  return [
    ['--listen', `127.0.0.1:${ports.node}`],
    ['--cert', pki.certificateFile('node'), '--key', pki.keyFile('node')],
    ['--root', join(directory, 'pods')],
  ].flat();
}

/** kwok says that the node's kubelet is nodestub, as its own exec turns every exit code but 0 into an internal error. */
export function kwokArguments(
  { directory, ports }: ArgumentInput,
  options: { readonly nodestub: boolean },
): string[] {
  return [
    ['--kubeconfig', join(directory, 'admin.kubeconfig')],
    ['--config', join(directory, 'kwok.yaml'), '--manage-all-nodes', '--node-ip', '127.0.0.1'],
    options.nodestub ? ['--node-port', String(ports.node)] : [],
    ['--server-address', `127.0.0.1:${ports.kwok}`],
  ].flat();
}
