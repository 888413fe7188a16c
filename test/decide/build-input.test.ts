import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { policyInput, policyInputSchema, type InputParts } from '../../src/decide/index.ts';
import { inputText } from '../../src/decide/input-text.ts';
import { inputOf } from '../support/policy-fixtures.ts';

type Attributes = InputParts['attributes'];

const attributes: Attributes = {
  scope: 'namespaced',
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'pods',
  namespace: 'shop',
  name: 'a',
  path: '/api/v1/namespaces/shop/pods/a',
  dryRun: false,
  labelSelector: '',
  fieldSelector: '',
  options: {},
  longRunning: false,
  wire: { method: 'GET', verb: 'get' },
};

const parts: InputParts = {
  now: '2026-11-20T12:02:31.000Z',
  cluster: { name: 'prod', labels: { tier: '1' } },
  identity: {
    issuer: 'https://issuer.example',
    subject: 's',
    username: 'u',
    uid: 'i',
    groups: ['g'],
    groupsComplete: false,
    kind: 'agent',
    actor: [{ issuer: 'https://issuer.example', subject: 'bot' }],
    claims: { repository: 'example/shop' },
    token: {
      type: 'JWT',
      id: 'j',
      expires: '2026-11-20T13:00:00Z',
      azp: 'c',
      acr: '1',
      amr: ['mfa'],
      authTime: '',
    },
    expiresAtMs: 0,
  },
  attributes,
  dryRun: false,
  deleteOptions: null,
  objectIdentity: { kind: '', name: '', generateName: '' },
  contentType: '',
  body: 'none',
  object: null,
  patch: null,
  live: null,
  grants: [],
  sourceIp: '10.0.0.1',
  claimed: { client: 'kubectl/v1.35.4', command: 'kubectl get', task: '', reason: '' },
};

const build = (change: Partial<Attributes>, more: Partial<InputParts> = {}) =>
  policyInput({ ...parts, ...more, attributes: { ...attributes, ...change } });

test('every key of the contract is present, and no other', () => {
  const input = policyInput(parts);
  expect(policyInputSchema.parse(input)).toEqual(input);
  expect(input.user).toMatchObject({
    groups_complete: false,
    kind: 'agent',
    requested_impersonation: null,
  });
});

test('a name comes from the path before it comes from the body', () => {
  const objectIdentity = { kind: 'Pod', name: 'body', generateName: 'gen-' };
  expect(build({ name: 'path' }, { objectIdentity }).request).toMatchObject({
    name: 'path',
    kind: 'Pod',
  });
  expect(build({ name: '' }, { objectIdentity }).request).toMatchObject({
    name: 'body',
    generate_name: 'gen-',
  });
});

test('the media type stands without parameters, in lower case', () => {
  expect(build({}, { contentType: 'Application/JSON; charset=utf-8' }).request.content_type).toBe(
    'application/json',
  );
});

test('what a delete is executed with overrides what the query says', () => {
  const { options } = build(
    { options: { gracePeriodSeconds: ['30'], pretty: ['true'] } },
    {
      deleteOptions: {
        gracePeriodSeconds: 0,
        dryRun: ['All'],
        preconditions: { uid: 'x' },
        orphanDependents: null,
      },
    },
  ).request;
  expect(options).toEqual({
    gracePeriodSeconds: ['0'],
    pretty: ['true'],
    dryRun: ['All'],
    'preconditions.uid': ['x'],
  });
});

describe('stream options are read as the API server reads them', () => {
  test.each([
    { value: [], flag: false },
    { value: ['true'], flag: true },
    { value: ['1'], flag: true },
    { value: [''], flag: true },
    { value: ['no'], flag: true },
    { value: ['0'], flag: false },
    { value: ['False'], flag: false },
    { value: ['false', 'true'], flag: false },
  ])('stdin=$value is $flag', ({ value, flag }) => {
    const options = { stdin: value, command: ['sh', '-c'], container: ['app'] };
    const { exec } = build({ resource: 'pods/exec', options }).request;
    expect(exec).toEqual({
      command: ['sh', '-c'],
      container: 'app',
      stdin: flag,
      stdout: false,
      stderr: false,
      tty: false,
    });
  });

  test('an attach has the same fields, other resources have none', () => {
    expect(build({ resource: 'pods/attach' }).request.exec).not.toBeNull();
    expect(build({ resource: 'pods' }).request).toMatchObject({
      exec: null,
      log: null,
      portforward: null,
    });
  });

  test('logs and ports', () => {
    const log = { container: ['app'], follow: ['true'], previous: ['false'] };
    expect(build({ resource: 'pods/log', options: log }).request.log).toEqual({
      container: 'app',
      follow: true,
      previous: false,
    });
    const ports = { ports: ['80,443', '8080'] };
    expect(build({ resource: 'pods/portforward', options: ports }).request.portforward).toEqual({
      ports: [80, 443, 8080],
    });
  });
});

describe('the text of an input', () => {
  test('says the same as the input', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (object, live, name) => {
        const input = { ...inputOf({ object, name }), live };
        expect(JSON.parse(inputText(input))).toEqual(JSON.parse(JSON.stringify(input)));
      }),
    );
  });

  test('keeps integers that a double cannot hold', () => {
    expect(inputText(inputOf({ object: { n: 9007199254740993n } }))).toContain(
      '"n":9007199254740993}',
    );
  });

  test('has each key once, whatever the bodies are called', () => {
    const text = inputText(inputOf({ object: { live: 1, request: 2 }, patch: { object: 3 } }));
    const read: unknown = JSON.parse(text);
    expect(policyInputSchema.parse(read)).toEqual(read);
    expect(text.match(/"claimed"/g)).toHaveLength(1);
  });
});
