/**
 * @module config — a YAML file in, a complete Config or errors with file, line and path out. The only reader of the environment.
 */
export { loadConfig } from './load.ts';
export { packageDirectory, shippedPoliciesDirectory } from './paths.ts';
export { formatConfigProblem, type ConfigProblem } from './problem.ts';
export { type Environment } from './referenced-files.ts';
export { restartKeys } from './restart-keys.ts';
export { resolveSecret } from './resolve-secret.ts';
export { configJsonSchema, shapeOf, type JsonSchema } from './schema-shape.ts';
export {
  configSchema,
  type ClusterConfig,
  type Config,
  type CredentialConfig,
  type IssuerConfig,
  type RoleName,
  type SecretSource,
} from './schema.ts';
export type { SinkConfig } from './sink-schema.ts';
export { watchFiles, type FileWatch } from './watch-files.ts';
