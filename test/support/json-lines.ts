import { readFileSync } from 'node:fs';
import { isJsonObject, textAt } from '../../src/kube/json-guards.ts';
import { parseJson } from '../../src/kube/json.ts';
import type { JsonObject } from '../../src/kube/request.ts';

/** Parses a JSON object as the gateway does; throws where it is none. */
export function jsonObject(bytes: Buffer): JsonObject {
  const value = parseJson(bytes);
  if (!value.ok || !isJsonObject(value.value))
    throw new Error(`no JSON object: ${bytes.toString()}`);
  return value.value;
}

/** The objects of a file that has one on each line. */
export const jsonLines = (file: URL): JsonObject[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => jsonObject(Buffer.from(line)));

/** `apps/v1 Deployment`: what names the kind of an object. */
export const kindName = (object: JsonObject): string =>
  `${textAt(object, 'apiVersion')} ${textAt(object, 'kind')}`;
