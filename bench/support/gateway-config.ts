import type { World } from './world.ts';

/** The configuration of the gateway under measurement: the starter policies, the local issuer, one cluster. */
export function gatewayConfig(
  world: World,
  more: { readonly port: number; readonly database?: object },
): object {
  const certificates = { certificateFile: world.tls.certificate, keyFile: world.tls.key };
  const { port: peoplePort } = new URL(world.peopleUrl);
  return {
    dataDirectory: world.dataDirectory,
    data: { port: more.port, tls: certificates },
    people: { port: Number(peoplePort), tls: certificates },
    ...(more.database === undefined ? {} : { database: more.database }),
    identity: { local: true },
    policies: { directory: world.policies },
    clusters: [
      {
        name: 'bench',
        server: world.upstreamUrl,
        certificateAuthority: world.tls.ca,
        credential: { token: { file: world.gatewayTokenFile } },
      },
    ],
  };
}
