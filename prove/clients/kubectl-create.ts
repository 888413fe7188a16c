import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../support/world.ts';
import { commandFacts, levelled, type Scenario, type Side } from './scenario.ts';
import { asAdministrator } from './sides.ts';

type Creation = {
  readonly resource: string;
  /** `$NS` is the namespace, in the names of what is in no namespace; `$DIR` has the files `binary` and `text`. */
  readonly args: readonly string[];
  /** Also as a dry run before, and once more after; each is a process more at each end. */
  readonly thrice?: true;
};

/** What `kubectl create` sends as protobuf: everything but manifests (`create -f`), which it sends as JSON. */
const creations: readonly Creation[] = [
  {
    resource: 'secret/plain',
    thrice: true,
    args: ['secret', 'generic', 'plain', '--from-literal=a=b', '--from-file=$DIR/binary'],
  },
  {
    resource: 'secret/registry',
    args: [
      'secret',
      'docker-registry',
      'registry',
      '--docker-username=u',
      '--docker-password=p',
      '--docker-server=registry.example.test',
    ],
  },
  {
    resource: 'configmap/settings',
    thrice: true,
    args: [
      'configmap',
      'settings',
      '--from-literal=colour=blue',
      '--from-file=$DIR/binary',
      '--from-file=$DIR/text',
    ],
  },
  {
    resource: 'job/once',
    thrice: true,
    args: ['job', 'once', '--image=example.test/job:1', '--', 'sh', '-c', 'exit 0'],
  },
  {
    resource: 'cronjob/nightly',
    args: ['cronjob', 'nightly', '--image=example.test/job:1', '--schedule=0 3 * * *'],
  },
  {
    resource: 'role/reader',
    args: ['role', 'reader', '--verb=get,list', '--resource=pods,deployments.apps'],
  },
  {
    resource: 'rolebinding/readers',
    args: [
      'rolebinding',
      'readers',
      '--role=reader',
      '--user=somebody',
      '--serviceaccount=$NS:robot',
    ],
  },
  { resource: 'serviceaccount/robot', args: ['serviceaccount', 'robot'] },
  { resource: 'quota/limits', args: ['quota', 'limits', '--hard=pods=50,cpu=20'] },
  { resource: 'namespace/$NS-made', args: ['namespace', '$NS-made'] },
  {
    resource: 'ingress/front',
    args: ['ingress', 'front', '--rule=front.example.test/path*=web:80,tls=front-tls'],
  },
  {
    resource: 'pdb/steady',
    args: ['pdb', 'steady', '--selector=app=web', '--min-available=50%'],
  },
  {
    resource: 'clusterrole/$NS-made',
    args: ['clusterrole', '$NS-made', '--verb=get', '--resource=nodes'],
  },
  {
    resource: 'priorityclass/$NS-made',
    args: ['priorityclass', '$NS-made', '--value=10', '--description=made by the acceptance run'],
  },
  {
    resource: 'deployment/web',
    args: ['deployment', 'web', '--image=example.test/web:1', '--replicas=2'],
  },
];

type Stored = {
  status?: unknown;
  metadata: { annotations?: unknown; managedFields?: { subresource?: string }[] };
};

/** An object without what controllers wrote into it meanwhile: its status, and who wrote the status. */
function withoutStatus(json: string, side: Side): string {
  const stored = JSON.parse(json) as Stored;
  delete stored.status;
  const fields = stored.metadata.managedFields?.filter((one) => one.subresource === undefined);
  if (fields !== undefined) {
    // Controllers write into metadata too, each under its own manager; the order is that of the last write.
    stored.metadata.managedFields = fields.filter((one) => JSON.stringify(one).includes('kubectl'));
  }
  delete stored.metadata.annotations;
  return levelled(JSON.stringify(stored), side);
}

/** The media types of the request that made the object, as kubectl itself tells. */
function sentAs(log: string): string {
  const request = /verb="POST"[^]*?(?:Content-Type: (\S+))/.exec(log);
  return request?.[1] ?? 'nothing posted';
}

function prepareFiles(side: Side): void {
  if (existsSync(join(side.directory, 'binary'))) return;
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  writeFileSync(join(side.directory, 'binary'), Buffer.concat([everyByte, everyByte]));
  writeFileSync(join(side.directory, 'text'), 'Ä line of täxt\nand another\n');
}

function created(world: World, creation: Creation): Scenario {
  const filled = (text: string, side: Side): string =>
    text.replaceAll('$NS', side.namespace).replaceAll('$DIR', side.directory);
  return {
    name: `kubectl create ${creation.args[0]}`,
    expected: {
      code: 0,
      sentAs: 'application/vnd.kubernetes.protobuf',
      readAsStored: true,
      ...(creation.thrice === true ? { dry: /dry run/, again: /already ?exists/i } : {}),
    },
    run: async (side) => {
      prepareFiles(side);
      const resource = filled(creation.resource, side);
      const args = creation.args.map((arg) => filled(arg, side));
      const atDashes = args.includes('--') ? args.indexOf('--') : args.length;
      const thrice = creation.thrice === true;
      const dry = thrice
        ? await side.kubectl(['create', ...args.toSpliced(atDashes, 0, '--dry-run=server')])
        : null;
      const done = await side.kubectl(['create', '-v=8', ...args]);
      const get = ['get', resource, '-o', 'json', '--show-managed-fields'];
      const stored = withoutStatus(await asAdministrator(world, side)(get), side);
      const read = await side.kubectl(get);
      const again = thrice ? await side.kubectl(['create', ...args]) : null;
      return {
        facts: {
          ...commandFacts({ ...done, stderr: '' }, side),
          dry: levelled(`${dry?.stdout}${dry?.stderr}`, side),
          sentAs: sentAs(done.stderr),
          readAsStored: withoutStatus(read.stdout, side) === stored,
          again: levelled(`${again?.stderr}`, side),
          stored,
        },
        figure: `${stored.length} characters, sha256 ${createHash('sha256').update(stored).digest('hex').slice(0, 8)}`,
      };
    },
  };
}

function deleted(): Scenario {
  return {
    name: 'kubectl delete of everything that was created',
    expected: { code: 0 },
    run: async (side) => {
      const names = creations.map((one) => one.resource.replaceAll('$NS', side.namespace));
      const done = await side.kubectl(['delete', '--wait=false', ...names]);
      return { facts: commandFacts(done, side) };
    },
  };
}

/** `kubectl create <kind>`: protobuf both ways, compared by what is stored. Not `token`: policy refuses it to everybody. */
export const createScenarios = (world: World): readonly Scenario[] => [
  ...creations.map((creation) => created(world, creation)),
  deleted(),
];
