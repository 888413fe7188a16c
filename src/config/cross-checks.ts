import { isLoopbackHost } from '../base/loopback.ts';
import type { ConfigPath, Finding } from './problem.ts';
import { policyChecks } from './policy-checks.ts';
import type { Config, IssuerConfig } from './schema.ts';

/** What is wrong between fields that are each well-formed: names used twice, names that nothing has, doors that overlap. */
export function crossChecks(config: Config): readonly Finding[] {
  return [
    ...repeated(config.clusters, 'name', ['clusters']),
    ...repeated(config.identity.issuers, 'url', ['identity', 'issuers']),
    ...repeated(config.identity.people, 'url', ['identity', 'people']),
    ...repeated(config.record.sinks, 'name', ['record', 'sinks']),
    ...defaultCluster(config),
    ...dataAudiences(config),
    ...peopleIssuers(config),
    ...approvers(config),
    ...localIssuer(config),
    ...policyChecks(config.policies),
  ];
}

function repeated<Key extends string>(
  items: readonly { readonly [key in Key]: string }[],
  key: Key,
  path: ConfigPath,
): readonly Finding[] {
  return items.flatMap((item, index) => {
    const first = items.findIndex((other) => other[key] === item[key]);
    if (first === index) return [];
    return [
      {
        path: [...path, index, key],
        problem: `is the same as that of entry ${first}`,
        expected: `each ${key} once`,
        fix: 'rename or merge the entries',
      },
    ];
  });
}

function defaultCluster({ defaultCluster: name, clusters }: Config): readonly Finding[] {
  if (name === undefined || clusters.some((cluster) => cluster.name === name)) return [];
  return [
    {
      path: ['defaultCluster'],
      problem: 'names no configured cluster',
      expected:
        clusters.length === 0
          ? 'a cluster under clusters'
          : `one of ${[...new Set(clusters.map((cluster) => cluster.name))].join(', ')}`,
      fix: 'correct the name, or add the cluster',
    },
  ];
}

/** A token that opens the people's port must not be handed out by every agent's kubeconfig. */
function dataAudiences({ identity, people }: Config): readonly Finding[] {
  return identity.issuers.flatMap((issuer, index) =>
    issuer.audiences.includes(people.audience)
      ? [
          {
            path: ['identity', 'issuers', index, 'audiences'],
            problem: `contains ${people.audience}, the audience of the people's port`,
            expected: 'audiences of the data port only',
            fix: 'have the issuer use another audience for agents, and name it here',
          },
        ]
      : [],
  );
}

function peopleIssuers({ identity, people }: Config): readonly Finding[] {
  return identity.people.flatMap((issuer, index) => peopleIssuer(issuer, index, people.audience));
}

function peopleIssuer(issuer: IssuerConfig, index: number, audience: string): readonly Finding[] {
  const path = ['identity', 'people', index];
  const findings: Finding[] = [];
  if (issuer.kind !== 'human') {
    findings.push({
      path: [...path, 'kind'],
      problem: `is ${issuer.kind}, and the people's port serves people only`,
      expected: 'human',
      fix: 'write kind: human, or move the issuer to identity.issuers',
    });
  }
  if (issuer.audiences.some((one) => one !== audience)) {
    findings.push({
      path: [...path, 'audiences'],
      problem: "contains another audience than the people's port has",
      expected: `[${audience}], as people.audience says`,
      fix: 'make the two agree',
    });
  }
  return findings;
}

/** A member whose issuer cannot log in could never vote, and holds would wait for nobody. */
function approvers({ approverGroups, identity }: Config): readonly Finding[] {
  if (identity.local) return [];
  const known = new Set(identity.people.map((issuer) => issuer.url));
  return Object.entries(approverGroups).flatMap(([group, { members }]) =>
    members.flatMap((member, index) =>
      known.has(member.issuer)
        ? []
        : [
            {
              path: ['approverGroups', group, 'members', index, 'issuer'],
              problem: 'is no issuer of identity.people, so this person could never vote',
              expected:
                known.size === 0 ? 'an issuer under identity.people' : [...known].join(' or '),
              fix: 'correct the issuer, or add it to identity.people',
            },
          ],
    ),
  );
}

/** Whoever reaches the local issuer's machine may have its identities: it must be nobody else. */
function localIssuer({ identity, data, people }: Config): readonly Finding[] {
  if (!identity.local) return [];
  const listeners = [
    ['data', data.address],
    ['people', people.address],
  ] as const;
  return listeners.flatMap(([name, address]) =>
    isLoopbackHost(address)
      ? []
      : [
          {
            path: [name, 'address'],
            problem: 'is no loopback address, and identity.local is true',
            expected: '127.0.0.1 or ::1',
            fix: 'listen on loopback, or configure real issuers and set identity.local: false',
          },
        ],
  );
}
