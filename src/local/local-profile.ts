import { configSchema, shippedPoliciesDirectory, type Config } from '../config/index.ts';
import type { ClusterConfig, IssuerConfig } from '../config/index.ts';
import { localIdentities, localIssuerUrls } from './local-issuer.ts';

/** The data port's audience in the local profile. */
export const localDataAudience = 'holdgate';

export type LocalProfileOptions = {
  readonly clusters: readonly ClusterConfig[];
  /** Every group that the loaded policies name as approvers: each gets the local person as its one member. */
  readonly approverGroups: readonly string[];
  readonly dataDirectory: string;
  /** Ports of the two listeners; 0 picks free ones, and then `peopleUrl` must be given once it is known. */
  readonly dataPort?: number;
  readonly peoplePort?: number;
  /** Where the people's port answers, without a path. Default `https://127.0.0.1:<peoplePort>`. */
  readonly peopleUrl?: string;
  readonly policiesDirectory?: string;
};

const peoplePortDefault = 8444;

/**
 * The configuration of a first run: loopback only, the local issuer's two identities, and one person who is an
 * administrator and the member of each approver group. Goes through the same schema as a file.
 */
export function localProfile(options: LocalProfileOptions): Config {
  const { clusters, approverGroups, dataDirectory, policiesDirectory } = options;
  const peoplePort = options.peoplePort ?? peoplePortDefault;
  const config = configSchema.parse({
    dataDirectory,
    data: options.dataPort === undefined ? {} : { port: options.dataPort },
    people: { port: peoplePort },
    identity: { local: true },
    clusters,
    policies: { directory: policiesDirectory ?? shippedPoliciesDirectory },
  });
  const peopleUrl = options.peopleUrl ?? `https://127.0.0.1:${peoplePort}`;
  return withLocalIdentities(config, peopleUrl, approverGroups);
}

/**
 * Adds what `identity.local: true` stands for: the two local issuers, the person's role, and the person as member of
 * each of `approverGroups` that the configuration does not have. Where it is false, the configuration is unchanged.
 */
export function withLocalIdentities(
  config: Config,
  peopleUrl: string,
  approverGroups: readonly string[],
): Config {
  if (!config.identity.local) return config;
  const { person } = localIdentities;
  const { agents, people } = localIssuers(peopleUrl, localDataAudience);
  const voters = localIssuers(peopleUrl, config.people.audience).people;
  const member = { issuer: voters.url, subject: person.subject };
  const groups: Config['approverGroups'] = Object.fromEntries(
    approverGroups.map((name) => [name, { members: [{ ...member }] }]),
  );
  const admins = new Set([...(config.people.roles?.admin ?? []), ...person.groups]);
  return {
    ...config,
    people: { ...config.people, roles: { ...config.people.roles, admin: [...admins] } },
    identity: {
      ...config.identity,
      issuers: withIssuers(config.identity.issuers, [agents, people]),
      people: withIssuers(config.identity.people, [voters]),
    },
    approverGroups: { ...groups, ...config.approverGroups },
  };
}

/** Adds what is not there yet: a configuration may have been given its local identities already. */
const withIssuers = (
  given: readonly IssuerConfig[],
  added: readonly IssuerConfig[],
): IssuerConfig[] => [
  ...given,
  ...added.filter((one) => given.every((other) => other.url !== one.url)),
];

/** Both halves of the local issuer as one port sees them. */
function localIssuers(
  peopleUrl: string,
  audience: string,
): Readonly<Record<'agents' | 'people', IssuerConfig>> {
  const urls = localIssuerUrls(peopleUrl);
  const issuer = (url: string, kind: IssuerConfig['kind']): IssuerConfig => ({
    url,
    kind,
    audiences: [audience],
    claimMappings: {
      username: { claim: 'sub', prefix: '' },
      groups: { claim: 'groups', prefix: '' },
    },
    claimValidationRules: [],
    policyClaims: [],
    algorithms: ['ES256'],
    maxTokenLifetimeSeconds: 86_400,
    allowIncompleteGroups: false,
  });
  return { agents: issuer(urls.agents, 'agent'), people: issuer(urls.people, 'human') };
}
