import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isJsonArray, isJsonObject, metadataOf, textAt } from '../../src/kube/json-guards.ts';
import { stringifyJson } from '../../src/kube/json.ts';
import { protobufObject } from '../../src/kube/protobuf-object.ts';
import type { JsonObject, JsonValue } from '../../src/kube/request.ts';
import { describeCluster } from '../support/cluster.ts';
import { jsonLines, jsonObject, kindName } from '../support/json-lines.ts';

const go = 'go';
const hasGo = spawnSync(go, ['version']).status === 0;
if (!hasGo) process.stderr.write('\nprotobuf bodies NOT RUN: they need Go on the PATH\n\n');

/** The first build of the Go program compiles client-go. */
const ENCODE_TIMEOUT_MS = 600_000;
const WAIT = { timeout: 60_000, interval: 250 };
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const NAMESPACE = 'protobuf';

/** An object that an empty cluster takes, and the path that it is created at. Reviews are answered and not stored. */
type Creatable = {
  readonly name: string;
  readonly collection: string;
  readonly isStored: boolean;
  readonly object: JsonObject;
};

/**
 * One object of every built-in kind that a server with its default API groups stores, and the reviews that it answers;
 * what they mean does not matter, only that nothing in them is made up by the server. Left out: IPAddress (must be a
 * Service's), ComponentStatus (read only), TokenRequest (each answer is another token), SelfSubjectRulesReview (rules in random order), the other subresources, and
 * versions that are off by default.
 */
function creatableObjects(): Creatable[] {
  return jsonLines(new URL('protobuf-objects.jsonl', import.meta.url)).map((one) => {
    const object = one['object'];
    if (!isJsonObject(object)) throw new Error(`a line without an object: ${stringifyJson(one)}`);
    return {
      name: kindName(object),
      collection: textAt(one, 'collection'),
      isStored: one['isStored'] === true,
      object,
    };
  });
}

/** What differs between two creates of the same object: identity, time, and who wrote which field in which format. */
const INCIDENTAL = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'managedFields']);
/** Written by the server or a controller at some moment of its own. */
const MOMENTS = new Set([
  'lastTransitionTime',
  'lastUpdateTime',
  'lastHeartbeatTime',
  'lastPhaseTransitionTime',
]);

function comparable(value: JsonValue): JsonValue {
  if (isJsonArray(value)) return value.map(comparable);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !INCIDENTAL.has(key) && !MOMENTS.has(key))
      .map(([key, member]) => [key, comparable(member)]),
  );
}

describeCluster('a create in protobuf and one of the JSON that we read from it', (cluster) => {
  let dispatcher: Agent;
  let token: string;
  /** Protobuf messages by the objects' names. */
  const messages = new Map<string, Buffer>();
  const objects = creatableObjects();

  const call = async (method: string, path: string, type = '', body: Buffer | null = null) => {
    const answer = await request(new URL(path, cluster.server), {
      method,
      dispatcher,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(type !== '' && { 'content-type': type }),
      },
      body,
    });
    const text = Buffer.from(await answer.body.arrayBuffer());
    return { status: answer.statusCode, object: jsonObject(text), text: text.toString() };
  };

  /**
   * Creates the object, sees that it is there, and takes it away again. The answer to the create is what was stored;
   * a moment later controllers may have written into it.
   */
  const stored = async (one: Creatable, type: string, body: Buffer): Promise<JsonValue> => {
    const made = await call('POST', `${one.collection}?fieldValidation=Strict`, type, body);
    expect(made.status === 201 ? '' : made.text).toBe('');
    if (!one.isStored) return comparable(made.object);
    const path = `${one.collection}/${textAt(metadataOf(made.object), 'name')}`;
    const read = await call('GET', path);
    expect(metadataOf(read.object)?.['uid']).toBe(metadataOf(made.object)?.['uid']);
    await call('DELETE', `${path}?gracePeriodSeconds=0&propagationPolicy=Background`);
    await vi.waitFor(async () => expect((await call('GET', path)).status).toBe(404), WAIT);
    return comparable(made.object);
  };

  beforeAll(async () => {
    dispatcher = new Agent({ connect: { ca: readFileSync(cluster.caFile, 'utf8') } });
    token = readFileSync(cluster.gatewayTokenFile, 'utf8').trim();
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
    const body = Buffer.from(JSON.stringify(namespace));
    const made = await call('POST', '/api/v1/namespaces', 'application/json', body);
    if (made.status !== 201 && made.status !== 409) throw new Error(made.text);
    if (!hasGo) return;
    const encoded = execFileSync(go, ['run', './protobuf-table', 'encode'], {
      cwd: new URL('.', import.meta.url),
      input: objects.map(({ object }) => stringifyJson(object)).join('\n'),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const lines = encoded.toString().trim().split('\n');
    objects.forEach(({ name }, at) => messages.set(name, Buffer.from(lines[at] ?? '', 'base64')));
  }, ENCODE_TIMEOUT_MS);

  afterAll(() => dispatcher.close());

  test.runIf(hasGo).each(objects)('$name', async (one) => {
    const message = messages.get(one.name) ?? Buffer.alloc(0);
    const read = protobufObject(message);
    if (!read.ok || read.value === null) throw new Error(read.ok ? 'not known' : read.error);
    const ofProtobuf = await stored(one, PROTOBUF, message);
    const json = Buffer.from(stringifyJson(read.value));
    const ofJson = await stored(one, 'application/json', json);
    expect(ofJson).toEqual(ofProtobuf);
  });
});
