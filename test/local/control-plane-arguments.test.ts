import { expect, test } from 'vitest';
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  kwokArguments,
  nodestubArguments,
  schedulerArguments,
  type ArgumentInput,
} from '../../src/local/control-plane-arguments.ts';

const input: ArgumentInput = {
  directory: '/state',
  pki: {
    directory: '/state/pki',
    caFile: '/state/pki/ca.crt',
    certificateFile: (name) => `/state/pki/${name}.crt`,
    keyFile: (name) => `/state/pki/${name}.key`,
  },
  ports: {
    apiServer: 1,
    etcd: 2,
    etcdPeer: 3,
    node: 4,
    controllerManager: 5,
    scheduler: 6,
    kwok: 7,
  },
};

const all: readonly (readonly [string, readonly string[]])[] = [
  ['etcd', etcdArguments(input)],
  ['apiserver', apiServerArguments(input, { controllers: true, extra: [] })],
  ['controller-manager', controllerManagerArguments(input)],
  ['scheduler', schedulerArguments(input)],
  ['nodestub', nodestubArguments(input)],
  ['kwok', kwokArguments(input, { nodestub: true })],
];

test.each(all)('%s listens on loopback only', (_name, args) => {
  const addresses = args.filter((arg) => /^(https?:\/\/)?\d+\.\d+\.\d+\.\d+(:\d+)?$/.test(arg));
  expect(addresses.length).toBeGreaterThan(0);
  for (const address of addresses) expect(address).toContain('127.0.0.1');
});

test.each(all)('%s names its directory, by which a leftover of it is recognised', (_name, args) => {
  expect(args.join(' ')).toContain('/state');
});

test.each(all)('no argument of %s is a path that depends on where it runs', (_name, args) => {
  for (const arg of args) expect(arg).not.toMatch(/^(pki|pods|etcd|tokens)/);
});

test('pods can be created where no controller makes service accounts', () => {
  const off = ['--disable-admission-plugins', 'ServiceAccount'];
  expect(apiServerArguments(input, { controllers: false, extra: [] })).toEqual(
    expect.arrayContaining(off),
  );
  expect(apiServerArguments(input, { controllers: true, extra: [] })).not.toContain(off[0]);
});

test('flags of the caller come last, so that they win', () => {
  const args = apiServerArguments(input, { controllers: true, extra: ['--v', '4'] });
  expect(args.slice(-2)).toEqual(['--v', '4']);
});

test("without nodestub, kwok keeps the node's kubelet port to itself", () => {
  expect(kwokArguments(input, { nodestub: false })).not.toContain('--node-port');
});
