import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig, formatConfigProblem, type Config } from '../config/index.ts';
import { CommandError, exitCodes, type Io } from './command.ts';

/** What a running gateway writes into its data directory, so that commands on the same machine find it. */
const gatewayFileSchema = z.object({
  dataUrl: z.url(),
  peopleUrl: z.url(),
  caFile: z.nullable(z.string()),
  peopleAudience: z.string(),
  dataAudience: z.string(),
});
export type GatewayFile = z.infer<typeof gatewayFileSchema>;

export const gatewayFileName = 'gateway.json';

/** Options by which a command finds the gateway. */
export const placeOptions = {
  config: { type: 'string', short: 'c' },
  'data-directory': { type: 'string' },
} as const;

type Place = {
  readonly config?: string | undefined;
  readonly 'data-directory'?: string | undefined;
};

/** Loads the configuration, or fails with every problem, one a line. */
export async function configOf(file: string | null, io: Io): Promise<Config> {
  const config = await loadConfig(file, io.env);
  if (config.ok) return config.value;
  throw new CommandError(config.error.map(formatConfigProblem).join('\n'), exitCodes.failed);
}

/** The policies folder that a command works on: the one named, else the configured one. */
export function policiesDirectory(named: string | undefined, { policies }: Config): string {
  if (named !== undefined) return named;
  if (policies.bundle === undefined) return policies.directory ?? 'policies';
  throw new CommandError(
    'the configured policies are a bundle, which the gateway checks when it takes it; name the folder that it is built from with --policies',
  );
}

/** The data directory that the options name: a configuration's, or `.holdgate`. */
export async function dataDirectoryOf(place: Place, io: Io): Promise<string> {
  if (place['data-directory'] !== undefined) return place['data-directory'];
  if (place.config === undefined) return '.holdgate';
  return (await configOf(place.config, io)).dataDirectory;
}

/** What the gateway of a data directory wrote down. */
export function readGatewayFile(dataDirectory: string): GatewayFile {
  const file = join(dataDirectory, gatewayFileName);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new CommandError(
      `no gateway has run with the data directory ${dataDirectory} (${file} is missing); start it, or name the directory with --data-directory or --config`,
    );
  }
  const parsed = gatewayFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new CommandError(`${file} is damaged; start the gateway again`);
  return parsed.data;
}
