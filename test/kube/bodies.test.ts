import { describe, expect, test } from 'vitest';
import { objectIdentity, readBody, rewrittenType } from '../../src/kube/bodies.ts';
import { attributesOf } from '../support/kube-requests.ts';

type Sent = {
  readonly method: string;
  readonly path: string;
  readonly body?: string | Buffer;
  readonly type?: string;
  readonly encoding?: string;
};

const read = ({ method, path, body = '', type = 'application/json', encoding = '' }: Sent) =>
  readBody({
    attributes: attributesOf(method, path),
    method,
    contentType: type,
    contentEncoding: encoding,
    bytes: Buffer.from(body),
  });

const pods = '/api/v1/namespaces/payments/pods';
const POST = { method: 'POST', path: pods };
const PUT = { method: 'PUT', path: `${pods}/x` };
const PATCH = { method: 'PATCH', path: `${pods}/x` };
const merge = 'application/merge-patch+json';
const apply = 'application/apply-patch+yaml';

const protobuf = 'application/vnd.kubernetes.protobuf';

/** Kubernetes' frame and envelope around a message; every part shorter than 128 bytes. */
function message(apiVersion: string, kind: string, object: string): Buffer {
  const part = (number: number, value: string): string =>
    String.fromCharCode(number * 8 + 2, value.length) + value;
  const type = part(1, part(1, apiVersion) + part(2, kind));
  return Buffer.from(`k8s\0${type}${part(2, object)}${part(3, '')}${part(4, '')}`, 'latin1');
}

/** ObjectMeta with a name, as the first field of an object. */
const named = (name: string): string =>
  String.fromCharCode(0x0a, name.length + 2, 0x0a, name.length) + name;

describe('readBody', () => {
  test.each([
    { what: 'a create', sent: POST },
    { what: 'an update', sent: PUT },
    { what: 'a write of a subresource', sent: { method: 'PUT', path: `${pods}/x/status` } },
  ])('reads the protobuf of $what, and sends on exactly its bytes', ({ sent }) => {
    const body = message('v1', 'ConfigMap', `${named('x')}\x12\x06\x0a\x01k\x12\x01v`);
    expect(read({ ...sent, type: protobuf, body })).toEqual({
      ok: true,
      value: {
        kind: 'parsed',
        value: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' }, data: { k: 'v' } },
        bytes: body,
        contentType: protobuf,
      },
    });
  });

  test('reads the protobuf of delete options, and sends them on as JSON', () => {
    const path = `${pods}/x`;
    const body = message('v1', 'DeleteOptions', '\x2a\x03All');
    const value = { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] };
    expect(read({ method: 'DELETE', path, type: protobuf, body })).toEqual({
      ok: true,
      value: {
        kind: 'parsed',
        value,
        bytes: Buffer.from(JSON.stringify(value)),
        contentType: 'application/json',
      },
    });
  });

  test('a body that was read as protobuf and changed is JSON, and a patch keeps its type', () => {
    expect(rewrittenType(protobuf)).toBe('application/json');
    expect(rewrittenType(merge)).toBe(merge);
  });

  test('sends on exactly the bytes of the JSON that was parsed', () => {
    const body = ' {"kind": "Pod",\n "n": 18446744073709551615 } ';
    const result = read({ ...POST, body });
    expect(result).toEqual({
      ok: true,
      value: {
        kind: 'parsed',
        value: { kind: 'Pod', n: 18_446_744_073_709_551_615n },
        bytes: Buffer.from(body),
        contentType: 'application/json',
      },
    });
  });

  test.each([
    {
      what: 'no content type is JSON',
      sent: { ...POST, type: '', body: '{}' },
      as: 'application/json',
    },
    {
      what: 'parameters are dropped',
      sent: { ...POST, type: 'Application/JSON; charset=UTF-8', body: '{}' },
      as: 'application/json',
    },
    {
      what: 'identity is no encoding',
      sent: { ...POST, encoding: 'identity', body: '{}' },
      as: 'application/json',
    },
    {
      what: 'YAML goes on as JSON',
      sent: { ...POST, type: 'application/yaml', body: 'a: {}' },
      as: 'application/json',
      bytes: '{"a":{}}',
    },
    {
      what: 'an apply keeps its type',
      sent: { ...PATCH, type: apply, body: 'kind: Pod' },
      as: apply,
      bytes: '{"kind":"Pod"}',
    },
    {
      what: 'an apply may be JSON',
      sent: { ...PATCH, type: apply, body: '{"kind":"Pod"}' },
      as: apply,
      bytes: '{"kind":"Pod"}',
    },
    { what: 'a merge patch', sent: { ...PATCH, type: merge, body: '{"a":null}' }, as: merge },
    {
      what: 'a strategic patch',
      sent: { ...PATCH, type: 'application/strategic-merge-patch+json', body: '{}' },
      as: 'application/strategic-merge-patch+json',
    },
    {
      what: 'a JSON patch',
      sent: { ...PATCH, type: 'application/json-patch+json', body: '[{"op":"test"}]' },
      as: 'application/json-patch+json',
    },
    {
      what: 'options of a delete',
      sent: { method: 'DELETE', path: `${pods}/x`, body: '{}' },
      as: 'application/json',
    },
  ])('$what', ({ sent, as, ...rest }) => {
    const bytes = Buffer.from('bytes' in rest && rest.bytes !== undefined ? rest.bytes : sent.body);
    expect(read(sent)).toMatchObject({
      ok: true,
      value: { kind: 'parsed', contentType: as, bytes },
    });
  });

  test.each([
    {
      what: 'protobuf',
      sent: { ...POST, type: 'application/vnd.kubernetes.protobuf', body: 'k8s\u0000' },
      as: 'application/vnd.kubernetes.protobuf',
    },
    {
      what: 'protobuf of a kind that is not built in',
      sent: { ...POST, type: protobuf, body: message('a.example/v1', 'Widget', '') },
      as: protobuf,
    },
    {
      what: 'protobuf with a field that we do not know',
      sent: { ...POST, type: protobuf, body: message('v1', 'ConfigMap', '\x7a\x01x') },
      as: protobuf,
    },
    {
      what: 'an unknown type',
      sent: { ...POST, type: 'text/plain', body: '{}' },
      as: 'text/plain',
    },
    {
      what: 'whatever a proxied service is sent, with its own type',
      sent: {
        method: 'POST',
        path: `${pods}/x/proxy/upload`,
        type: 'multipart/form-data; boundary=X',
        body: '{"a":1,"a":2}',
      },
      as: 'multipart/form-data; boundary=X',
    },
  ])('$what is opaque', ({ sent, as }) => {
    const bytes = Buffer.from(sent.body);
    expect(read(sent)).toEqual({ ok: true, value: { kind: 'opaque', bytes, contentType: as } });
  });

  test.each([
    { what: 'a get', sent: { method: 'GET', path: pods } },
    { what: 'a delete', sent: { method: 'DELETE', path: `${pods}/x` } },
    { what: 'an exec', sent: { method: 'POST', path: `${pods}/x/exec` } },
    {
      what: 'a call of a subresource',
      sent: {
        method: 'PUT',
        path: '/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachines/x/start',
      },
    },
  ])('$what may have no body', ({ sent }) => {
    expect(read(sent)).toEqual({ ok: true, value: { kind: 'none' } });
  });

  const invalid = 'HOLDGATE_PARSE_BODY_INVALID';
  const unsupported = 'HOLDGATE_PARSE_ENCODING_UNSUPPORTED';
  test.each([
    { what: 'a GET with a body', sent: { method: 'GET', path: pods, body: '{}' }, code: invalid },
    { what: 'a HEAD with a body', sent: { method: 'HEAD', path: pods, body: '{}' }, code: invalid },
    { what: 'a create without a body', sent: POST, code: invalid },
    { what: 'an update without a body', sent: PUT, code: invalid },
    { what: 'a patch without a body', sent: { ...PATCH, type: merge }, code: invalid },
    {
      what: 'a repeated key',
      sent: { ...POST, body: '{"spec":{"hostPID":true},"spec":{}}' },
      code: invalid,
    },
    { what: 'a list as an object', sent: { ...POST, body: '[{"kind":"Pod"}]' }, code: invalid },
    { what: 'null as an object', sent: { ...PUT, body: 'null' }, code: invalid },
    {
      what: 'a merge patch that replaces everything',
      sent: { ...PATCH, type: merge, body: '"x"' },
      code: invalid,
    },
    {
      what: 'a JSON patch that is an object',
      sent: { ...PATCH, type: 'application/json-patch+json', body: '{}' },
      code: invalid,
    },
    {
      what: 'a JSON patch of something else',
      sent: { ...PATCH, type: 'application/json-patch+json', body: '[1]' },
      code: invalid,
    },
    {
      what: 'YAML that could be read in two ways',
      sent: { ...PATCH, type: apply, body: 'a: yes' },
      code: invalid,
    },
    {
      what: 'YAML that is no object',
      sent: { ...POST, type: 'application/yaml', body: '- a' },
      code: invalid,
    },
    {
      what: 'an empty YAML document',
      sent: { ...POST, type: 'application/yaml', body: '---\n' },
      code: invalid,
    },
    { what: 'gzip', sent: { ...POST, encoding: 'gzip', body: '{}' }, code: unsupported },
    {
      what: 'two encodings',
      sent: { ...POST, encoding: 'identity, gzip', body: '{}' },
      code: unsupported,
    },
    {
      what: 'another charset',
      sent: { ...POST, type: 'application/json; charset=utf-16', body: '{}' },
      code: unsupported,
    },
    {
      what: 'CBOR',
      sent: { ...POST, type: 'application/cbor', body: '\u00d9' },
      code: unsupported,
    },
    {
      what: 'CBOR as an apply',
      sent: { ...PATCH, type: 'application/apply-patch+cbor', body: 'x' },
      code: unsupported,
    },
    { what: 'a patch without a type', sent: { ...PATCH, type: '', body: '{}' }, code: unsupported },
    {
      what: 'delete options in protobuf that are cut short',
      sent: {
        method: 'DELETE',
        path: `${pods}/x`,
        type: protobuf,
        body: message('v1', 'DeleteOptions', '\x2a'),
      },
      code: 'HOLDGATE_PARSE_BODY_INVALID',
    },
    { what: 'a patch as plain JSON', sent: { ...PATCH, body: '{}' }, code: unsupported },
    {
      what: 'a patch as protobuf',
      sent: { ...PATCH, type: 'application/vnd.kubernetes.protobuf', body: 'x' },
      code: unsupported,
    },
    { what: 'a create as a patch', sent: { ...POST, type: merge, body: '{}' }, code: unsupported },
    { what: 'a malformed type', sent: { ...POST, type: 'json', body: '{}' }, code: unsupported },
    {
      what: 'two types',
      sent: { ...POST, type: 'application/json, text/plain', body: '{}' },
      code: unsupported,
    },
  ])('refuses $what', ({ sent, code }) => {
    expect(read(sent)).toMatchObject({ ok: false, error: { code } });
  });

  test('names the place in the body', () => {
    expect(read({ ...POST, body: '{\n"a": x}' })).toMatchObject({
      error: { message: 'the JSON body is not taken: line 2, column 6: a value was expected' },
    });
    expect(read({ ...PATCH, type: apply, body: 'a: 1\nb: no' })).toMatchObject({
      error: { message: expect.stringContaining('line 2: "no" is read differently') as unknown },
    });
  });
});

const identity = (sent: Sent) => {
  const body = read(sent);
  if (!body.ok) throw new Error(body.error.message);
  return objectIdentity(body.value, attributesOf(sent.method, sent.path));
};

const json = (object: unknown): string => JSON.stringify(object);

describe('objectIdentity', () => {
  test.each([
    {
      what: 'a create is named by its body',
      sent: { ...POST, body: json({ kind: 'Pod', metadata: { name: 'x', generateName: 'y-' } }) },
      is: { kind: 'Pod', name: 'x', namespace: 'payments', generateName: '' },
    },
    {
      what: 'a create may leave its name to the server',
      sent: { ...POST, body: json({ kind: 'Pod', metadata: { generateName: 'y-', name: null } }) },
      is: { kind: 'Pod', name: '', generateName: 'y-' },
    },
    {
      what: 'a create without metadata',
      sent: {
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: json({ spec: {} }),
      },
      is: { kind: '', name: '', namespace: '', generateName: '' },
    },
    {
      what: 'a subresource is named by its path',
      sent: { method: 'POST', path: `${pods}/x/eviction`, body: json({ kind: 'Eviction' }) },
      is: { kind: 'Eviction', name: 'x' },
    },
    {
      what: 'a list is seen as a list',
      sent: { ...POST, body: json({ kind: 'PodList', items: [] }) },
      is: { kind: 'PodList' },
    },
    {
      what: 'an update repeats its name',
      sent: { ...PUT, body: json({ kind: 'Pod', metadata: { name: 'x', namespace: 'payments' } }) },
      is: { kind: 'Pod', name: 'x', namespace: 'payments' },
    },
    {
      what: 'a cluster-scoped object may name a namespace, which the server clears',
      sent: {
        method: 'POST',
        path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
        body: json({ metadata: { name: 'x', namespace: 'a' } }),
      },
      is: { name: 'x', namespace: '' },
    },
    {
      what: 'an update of a collection has no name, whatever its body says',
      sent: { method: 'PUT', path: pods, body: json({ metadata: { name: 'x' } }) },
      is: { name: '', namespace: 'payments', generateName: '' },
    },
    {
      what: 'an apply to a collection has no name, whatever its body says',
      sent: { method: 'PATCH', path: pods, type: apply, body: json({ metadata: { name: 'x' } }) },
      is: { name: '', namespace: 'payments', generateName: '' },
    },
    {
      what: 'a patch is named by its path',
      sent: { ...PATCH, type: merge, body: json({ spec: {} }) },
      is: { kind: '', name: 'x', namespace: 'payments' },
    },
    {
      what: 'delete options are no object',
      sent: { method: 'DELETE', path: `${pods}/x`, body: json({ kind: 'DeleteOptions' }) },
      is: { kind: '', name: 'x' },
    },
    {
      what: 'an opaque body says nothing',
      sent: { ...PUT, type: 'application/vnd.kubernetes.protobuf', body: 'x' },
      is: { kind: '', name: 'x', namespace: 'payments', generateName: '' },
    },
  ])('$what', ({ sent, is }) => {
    expect(identity(sent)).toMatchObject({ ok: true, value: is });
  });

  test.each([
    {
      what: 'an update of another object',
      sent: { ...PUT, body: json({ metadata: { name: 'y' } }) },
    },
    {
      what: 'an update of another object in protobuf',
      sent: { ...PUT, type: protobuf, body: message('v1', 'Pod', named('y')) },
    },
    {
      what: 'an update that does not repeat its name',
      sent: { ...PUT, body: json({ metadata: {} }) },
    },
    {
      what: 'an update in another namespace',
      sent: { ...PUT, body: json({ metadata: { name: 'x', namespace: 'a' } }) },
    },
    {
      what: 'a create in another namespace',
      sent: { ...POST, body: json({ metadata: { name: 'x', namespace: 'kube-system' } }) },
    },
    {
      what: 'an eviction of another pod',
      sent: { method: 'POST', path: `${pods}/x/eviction`, body: json({ metadata: { name: 'y' } }) },
    },
    {
      what: 'an apply of another object',
      sent: { ...PATCH, type: apply, body: json({ metadata: { name: 'y' } }) },
    },
    {
      what: 'a patch into another namespace',
      sent: { ...PATCH, type: merge, body: json({ metadata: { namespace: 'a' } }) },
    },
    {
      what: 'a name that is a path',
      sent: { ...POST, body: json({ metadata: { name: 'x/exec' } }) },
    },
    {
      what: 'a name that is a dot segment',
      sent: { ...POST, body: json({ metadata: { name: '..' } }) },
    },
    {
      what: 'a name that is an escape',
      sent: { ...POST, body: json({ metadata: { name: 'x%2Fexec' } }) },
    },
    {
      what: 'a name with a control character',
      sent: { ...POST, body: json({ metadata: { name: 'x\u0000' } }) },
    },
    { what: 'a name that is no string', sent: { ...POST, body: json({ metadata: { name: 5 } }) } },
    {
      what: 'a generateName that is no string',
      sent: { ...POST, body: json({ metadata: { generateName: {} } }) },
    },
    {
      what: 'a namespace that is no string',
      sent: { ...POST, body: json({ metadata: { namespace: ['a'] } }) },
    },
    { what: 'metadata that are no object', sent: { ...POST, body: json({ metadata: 'x' }) } },
    { what: 'a kind that is no string', sent: { ...POST, body: json({ kind: 5 }) } },
  ])('refuses $what', ({ sent }) => {
    expect(identity(sent)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_PARSE_BODY_INVALID' },
    });
  });
});
