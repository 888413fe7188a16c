import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Secret } from '../base/secret.ts';
import type { Environment } from './referenced-files.ts';
import type { SecretSource } from './schema.ts';

/**
 * Reads a secret from its file or environment variable; line ends after it are dropped. Reads each time it is
 * called, so that a caller may call again when the file has changed. The error is one sentence without the secret.
 */
export function resolveSecret(
  source: SecretSource,
  baseDirectory: string,
  environment: Environment,
): Result<Secret, string> {
  const read =
    'file' in source ? fromFile(source.file, baseDirectory) : fromVariable(source.env, environment);
  if (!read.ok) return read;
  const text = read.value.replace(/[\r\n]+$/, '');
  const where = 'file' in source ? `file ${source.file}` : `environment variable ${source.env}`;
  return text.trim() === ''
    ? err(`the secret in ${where} is empty; put the secret there`)
    : ok(new Secret(text));
}

function fromFile(file: string, baseDirectory: string): Result<string, string> {
  const path = resolve(baseDirectory, file);
  try {
    return ok(readFileSync(path, 'utf8'));
  } catch (cause) {
    return err(`the secret's file ${path} could not be read: ${errorText(cause)}`);
  }
}

function fromVariable(name: string, environment: Environment): Result<string, string> {
  const value = environment[name];
  return value === undefined
    ? err(`the secret's environment variable ${name} is not set; set it before the gateway starts`)
    : ok(value);
}
