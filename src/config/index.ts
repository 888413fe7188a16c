/**
 * @module config — a YAML file in, a complete Config or errors with file, line and path out. The only reader of the environment.
 */
export {
  configSchema,
  roleNames,
  type ClusterConfig,
  type Config,
  type CredentialConfig,
  type IssuerConfig,
  type RoleName,
  type SecretSource,
} from './schema.ts';
