/**
 * The JavaScript client of the acceptance run: client.mjs KUBECONFIG NAMESPACE HTTP_PORT CLOSED_PORT POD_DIRECTORY SCRATCH
 *
 * Runs each operation and prints one line of JSON for it: {"name": ..., "facts": {...}}, or {"name": ..., "error": ...}.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AppsV1Api,
  CoreV1Api,
  Cp,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  PatchStrategy,
  PortForward,
  Watch,
  makeInformer,
  setHeaderOptions,
} from '@kubernetes/client-node';

const [kubeconfig, namespace, httpPort, closedPort, podDirectory, scratch] = process.argv.slice(2);
const patienceMs = 40_000;
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(CoreV1Api);
const apps = config.makeApiClient(AppsV1Api);
const objects = KubernetesObjectApi.makeApiClient(config);

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

const configMap = (name, data) => ({
  namespace,
  body: { metadata: { name, labels: { by: 'javascript' } }, data },
});

/** A writable that keeps what it gets. */
function collector() {
  const chunks = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

async function until(ready, what) {
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs) {
    if (ready()) return;
    await delay(20);
  }
  throw new Error(`${what} did not happen in ${patienceMs / 1000} s`);
}

/** Runs a command in the pod to its end. */
async function inBox(command, input = null, container = 'main') {
  const [stdout, stderr] = [collector(), collector()];
  let status;
  const socket = await new Exec(config).exec(
    namespace,
    'box',
    container,
    command,
    stdout.stream,
    stderr.stream,
    input,
    false,
    (end) => (status = end),
  );
  const { protocol } = socket;
  await until(() => status !== undefined, 'the end of the exec');
  socket.close();
  const cause = status.details?.causes?.find((one) => one.reason === 'ExitCode');
  const code = status.status === 'Success' ? 0 : Number(cause?.message ?? -1);
  return { code, stdout: stdout.bytes(), stderr: stderr.bytes(), protocol };
}

async function createAndList() {
  for (let index = 0; index < 5; index += 1) {
    const data = { number: String(index), text: 'Ä\u0000\n' };
    await core.createNamespacedConfigMap(configMap(`js-${index}`, data));
  }
  const labelSelector = 'by=javascript';
  const listed = await core.listNamespacedConfigMap({ namespace, labelSelector });
  let pages = 0;
  let _continue;
  do {
    const page = await core.listNamespacedConfigMap({
      namespace,
      labelSelector,
      limit: 2,
      _continue,
    });
    pages += 1;
    _continue = page.metadata._continue;
  } while (_continue);
  return {
    names: listed.items.map((one) => one.metadata.name).join(','),
    data: JSON.stringify(listed.items.map((one) => one.data)),
    pages,
  };
}

async function replaceAndConflict() {
  const read = await core.readNamespacedConfigMap({ name: 'js-1', namespace });
  const body = { ...read, data: { ...read.data, replaced: 'yes' } };
  const replaced = await core.replaceNamespacedConfigMap({ name: 'js-1', namespace, body });
  const conflict = await core.replaceNamespacedConfigMap({ name: 'js-1', namespace, body }).then(
    () => 'none',
    (error) => `${error.code} ${JSON.parse(error.body).reason}`,
  );
  return { replaced: JSON.stringify(replaced.data), conflict };
}

async function patch() {
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const body = { data: { merged: '1', number: null } };
  const merged = await core.patchNamespacedConfigMap({ name: 'js-0', namespace, body }, merge);
  const operations = [{ op: 'add', path: '/data/added', value: '2' }];
  const asJson = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);
  const patched = await core.patchNamespacedConfigMap(
    { name: 'js-0', namespace, body: operations },
    asJson,
  );
  const applied = await objects.patch(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'js-applied', namespace },
      data: { applied: '3' },
    },
    undefined,
    undefined,
    'javascript',
    true,
    PatchStrategy.ServerSideApply,
  );
  return {
    merged: JSON.stringify(merged.data),
    json: JSON.stringify(patched.data),
    applied: JSON.stringify(applied.data),
  };
}

async function missing() {
  try {
    await core.readNamespacedConfigMap({ name: 'js-missing', namespace });
    return { status: 200 };
  } catch (error) {
    return { status: error.code, body: error.body };
  }
}

async function workload() {
  const labels = { app: 'js' };
  const containers = [{ name: 'c', image: 'example.test/js:1' }];
  const template = { metadata: { labels }, spec: { containers } };
  const spec = { replicas: 2, selector: { matchLabels: labels }, template };
  const body = { metadata: { name: 'js' }, spec };
  const created = await apps.createNamespacedDeployment({ namespace, body });
  await apps.deleteNamespacedDeployment({ name: 'js', namespace });
  return { created: created.metadata.name, replicas: created.spec.replicas };
}

/** Makes, changes and deletes one object. */
async function changeOne(name) {
  await core.createNamespacedConfigMap(configMap(name, { step: '1' }));
  const read = await core.readNamespacedConfigMap({ name, namespace });
  const body = { ...read, data: { step: '2' } };
  await core.replaceNamespacedConfigMap({ name, namespace, body });
  await core.deleteNamespacedConfigMap({ name, namespace });
}

/** Rejects where an answer does not come: some of the client's calls have no limit of their own. */
function soon(promise, what) {
  const late = delay(patienceMs, undefined, { ref: false }).then(() => {
    throw new Error(`${what} did not happen in ${patienceMs / 1000} s`);
  });
  return Promise.race([promise, late]);
}

async function watching() {
  const start = await core.listNamespacedConfigMap({ namespace });
  const events = [];
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const query = {
    resourceVersion: start.metadata.resourceVersion,
    fieldSelector: 'metadata.name=js-watched',
  };
  const controller = await new Watch(config).watch(
    path,
    query,
    (type, object) => events.push(`${type} ${object.data.step}`),
    () => {},
  );
  await changeOne('js-watched');
  await until(() => events.length >= 3, 'the third event');
  controller.abort();
  return { events: events.join(', ') };
}

async function informing() {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'by=javascript' });
  const informer = makeInformer(config, path, list, 'by=javascript');
  const events = [];
  for (const verb of ['add', 'update', 'delete']) {
    informer.on(verb, (object) => {
      if (object.metadata.name === 'js-informed') events.push(`${verb} ${object.data.step}`);
    });
  }
  let failed = '';
  informer.on('error', (error) => (failed = String(error)));
  await informer.start();
  await changeOne('js-informed');
  await until(() => events.length >= 3 || failed !== '', 'the third event');
  const direct = await list();
  const inCache = informer
    .list()
    .map((one) => `${one.metadata.name}@${one.metadata.resourceVersion}`);
  const listed = direct.items.map((one) => `${one.metadata.name}@${one.metadata.resourceVersion}`);
  await informer.stop();
  return {
    events: events.join(', '),
    cacheIsTheList: inCache.toSorted().join() === listed.toSorted().join(),
    failed,
  };
}

async function followLog() {
  const shown = collector();
  const through = new PassThrough();
  through.pipe(shown.stream);
  const options = { follow: true, tailLines: 1 };
  const controller = await new Log(config).log(namespace, 'box', 'beside', through, options);
  const file = join(podDirectory, '.log-beside');
  await until(() => shown.bytes().length > 0, 'the first line');
  writeFileSync(file, 'a line for the follower\n', { flag: 'a' });
  await until(() => shown.bytes().includes('follower'), 'the second line');
  controller.abort();
  return { log: shown.bytes().toString() };
}

async function execExitCode() {
  const done = await inBox(['sh', '-c', 'echo out; echo problem >&2; exit 3']);
  const { code, protocol } = done;
  return { code, protocol, stdout: done.stdout.toString(), stderr: done.stderr.toString() };
}

/** The input's end is a message of protocol v5; sha256sum would wait for ever without it. */
async function execWithInput() {
  const bytes = randomBytes(2 * 2 ** 20);
  const done = await inBox(
    ['sha256sum'],
    Readable.from([bytes.subarray(0, 2 ** 20), bytes.subarray(2 ** 20)]),
  );
  return { code: done.code, digest: done.stdout.toString().startsWith(sha256(bytes)) };
}

async function execWithOutput() {
  const size = 5 * 2 ** 20;
  const done = await inBox(['sh', '-c', `seq 1 1000000 | head -c ${size}`]);
  return { bytes: done.stdout.length, sha256: sha256(done.stdout) };
}

async function execInAMissingContainer() {
  try {
    await inBox(['true'], null, 'nobody');
    return { error: 'none' };
  } catch (error) {
    return { error: String(error.message ?? error.error?.message ?? error) };
  }
}

async function copyIn() {
  const [source, bytes] = [join(scratch, 'js-copy'), randomBytes(2 ** 20)];
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'copied.bin'), bytes);
  await new Cp(config).cpToPod(namespace, 'box', 'main', source, '.');
  const target = join(podDirectory, 'copied.bin');
  const same = () => existsSync(target) && readFileSync(target).equals(bytes);
  await until(same, 'the copy');
  return { same: same() };
}

/** Sends on one forwarded port; what came back and what was said on the error channel. */
async function forwarded(port, text, enough) {
  const [output, errors, input] = [collector(), collector(), new PassThrough()];
  const forward = new PortForward(config);
  const socket = await forward.portForward(
    namespace,
    'box',
    [Number(port)],
    output.stream,
    errors.stream,
    input,
  );
  input.write(text);
  await until(() => enough(output.bytes().toString(), errors.bytes().toString()), 'the answer');
  socket.close();
  return { output: output.bytes().toString(), errors: errors.bytes().toString() };
}

async function forward() {
  const get = 'GET /javascript HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const { output, errors } = await forwarded(httpPort, get, (text) => text.endsWith('0\n'));
  return { status: output.split('\r\n')[0], body: output.split('\r\n\r\n')[1], errors };
}

async function forwardToAClosedPort() {
  return forwarded(closedPort, 'x', (_output, errors) => errors.includes('refused'));
}

async function deleteThem() {
  const labelSelector = 'by=javascript';
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector });
  const left = await core.listNamespacedConfigMap({ namespace, labelSelector });
  return { left: left.items.length };
}

const operations = {
  'create and list': createAndList,
  'replace, and a conflict': replaceAndConflict,
  'patch: merge, JSON, apply': patch,
  'read what is missing': missing,
  'a deployment': workload,
  watch: watching,
  informer: informing,
  'log that is followed': followLog,
  'exec: exit code': execExitCode,
  'exec: input': execWithInput,
  'exec: output': execWithOutput,
  'exec: a container that is missing': execInAMissingContainer,
  'cp to a pod': copyIn,
  'port-forward': forward,
  'port-forward: a closed port': forwardToAClosedPort,
  'delete a collection': deleteThem,
};

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let current = '';
// The client reports some errors only as rejections that nobody awaits: they belong to the operation that runs.
process.on('unhandledRejection', (error) => {
  const text = String(error?.message ?? error?.error?.message ?? error);
  process.stderr.write(`${current}: ${text}\n`);
});
for (const [name, operation] of Object.entries(operations)) {
  current = name;
  try {
    print({ name, facts: await soon(operation(), 'the end of it') });
  } catch (error) {
    print({ name, error: String(error?.message ?? error?.error?.message ?? error) });
  }
}
process.exit(0);
