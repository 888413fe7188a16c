/** How much is measured: everything that decides how long a run takes is here. */
export type Counts = {
  readonly name: 'small' | 'full';
  /** Paired rounds: blocks of rounds, one request to each subject a round. */
  readonly blocks: number;
  readonly rounds: number;
  /** Rounds before the first that counts: Node compiles what is hot after some thousand calls. */
  readonly warmUp: number;
  readonly freshRounds: number;
  /** Saturation: rounds over all subjects, and seconds for one. */
  readonly loadRounds: number;
  readonly loadSeconds: number;
  /** Before a subject's first round: Node compiles what is hot, and of a large answer there are few a second. */
  readonly loadWarmSeconds: number;
  /** Open loop: requests a second, and seconds for each rate. */
  readonly openRates: readonly number[];
  readonly openSeconds: number;
  readonly watches: readonly number[];
  readonly eventSeconds: number;
  readonly decisions: number;
  /** The gateway takes a data file of up to 4 MiB: about 40,000 grants of one namespace each. */
  readonly grants: number;
  readonly tableRules: number;
  readonly execBytes: number;
  readonly echoes: number;
};

export const counts: Readonly<Record<Counts['name'], Counts>> = {
  small: {
    name: 'small',
    blocks: 3,
    rounds: 300,
    warmUp: 1000,
    freshRounds: 30,
    loadRounds: 3,
    loadSeconds: 0.6,
    loadWarmSeconds: 1.5,
    openRates: [200],
    openSeconds: 2,
    watches: [500],
    eventSeconds: 2,
    decisions: 4000,
    grants: 10_000,
    tableRules: 3000,
    execBytes: 128 * 1024 * 1024,
    echoes: 500,
  },
  full: {
    name: 'full',
    blocks: 5,
    rounds: 1500,
    warmUp: 3000,
    freshRounds: 100,
    loadRounds: 5,
    loadSeconds: 2,
    loadWarmSeconds: 5,
    openRates: [50, 200, 1000],
    openSeconds: 5,
    watches: [1000, 10_000],
    eventSeconds: 10,
    decisions: 50_000,
    grants: 40_000,
    tableRules: 3000,
    execBytes: 512 * 1024 * 1024,
    echoes: 3000,
  },
};

/** What every subject is asked for, and what the upstream stand-in answers. Bytes. */
export const sizes = { small: 2048, list: 1024 * 1024, event: 2048 } as const;

/** Streams a connection may carry: kube-apiserver's own limit. */
export const streamsPerConnection = 100;

/** Connections of the saturation load, one request under way on each. */
export const loadConnections = 32;

/** Watch events a second, over all watches together. */
export const eventsPerSecond = 800;
