import { createHash, createHmac } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../../src/base/secret.ts';
import { openBundle, type Trust } from '../../../src/decide/bundle/open-bundle.ts';
import type { BundleKey, Verification } from '../../../src/decide/bundle/signature.ts';
import {
  buildBundle,
  keyPair,
  packEntries,
  repack,
  signFiles,
  unpack,
  type Archive,
} from '../../support/opa-bundles.ts';

const rsa = keyPair('rsa');
const ec = keyPair('ec');
const otherRsa = keyPair('rsa');
const sharedSecret = 'correct horse battery staple, and then some more';

const files = {
  'rules/x/x.rego':
    'package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.verb in data.owned.verbs\n',
  // What Go and JavaScript write differently: numbers as written, HTML, control characters, separators, key order.
  'owned/data.json':
    '{"verbs": ["get"], "n": [1.0, 1e3, 12345678901234567890, -0], "t": "é<&>\\u0007\\b\\f\\u2028\\u2029\\u007f\\ud83d\\ude00", "\\uffee": 1, "😀": 2, "a": {}, "b": []}',
};

const trustIn = (key: BundleKey, more: Partial<Verification> = {}): Trust => ({
  verification: { keys: new Map([['ci', key]]), keyId: 'ci', scope: '', ...more },
  excludeFiles: [],
});
const trustRsa = trustIn({ publicKey: rsa.publicKey, algorithm: 'RS256' });

const base64url = (value: string): string => Buffer.from(value).toString('base64url');

async function refusal(bundle: Buffer, trust: Trust = trustRsa): Promise<string> {
  const opened = await openBundle(bundle, trust);
  return opened.ok ? 'accepted' : opened.error;
}

/** Built, and signed by RSA. */
let signed: Buffer;
let contents: Archive;
beforeAll(async () => {
  signed = await buildBundle(files, { signing: { key: rsa.privateKey, algorithm: 'RS256' } });
  contents = await unpack(signed);
});

describe('a bundle that opa signed is accepted', () => {
  test.each([
    { algorithm: 'RS256', key: rsa },
    { algorithm: 'RS384', key: rsa },
    { algorithm: 'RS512', key: rsa },
    { algorithm: 'PS256', key: rsa },
    { algorithm: 'PS384', key: rsa },
    { algorithm: 'PS512', key: rsa },
    { algorithm: 'ES256', key: ec },
  ] as const)('by opa build with $algorithm', async ({ algorithm, key }) => {
    const bundle = await buildBundle(files, { signing: { key: key.privateKey, algorithm } });
    expect(await refusal(bundle, trustIn({ publicKey: key.publicKey, algorithm }))).toBe(
      'accepted',
    );
  });

  test.each([{ algorithm: 'HS256' }, { algorithm: 'HS384' }, { algorithm: 'HS512' }] as const)(
    'by opa build with the secret of $algorithm',
    async ({ algorithm }) => {
      const bundle = await buildBundle(files, { signing: { key: sharedSecret, algorithm } });
      const secret = new Secret(sharedSecret);
      expect(await refusal(bundle, trustIn({ secret, algorithm }))).toBe('accepted');
      const other = new Secret(`${sharedSecret}!`);
      expect(await refusal(bundle, trustIn({ secret: other, algorithm }))).toContain(
        'does not verify',
      );
    },
  );

  test('by opa sign after schemas were added, key and scope named by claims', async () => {
    const unsigned = await unpack(await buildBundle(files));
    unsigned.set('owned/schema.json', Buffer.from('{ "type": "object" }'));
    const claims = { keyid: 'ci', scope: 'prod' };
    const signing = { key: rsa.privateKey, algorithm: 'RS256', claims };
    unsigned.set('.signatures.json', await signFiles(unsigned, signing));
    const key: BundleKey = { publicKey: rsa.publicKey, algorithm: 'RS256' };
    const bundle = await repack(unsigned);
    const scoped = trustIn(key, { keyId: '', scope: 'prod' });
    expect(await refusal(bundle, scoped)).toBe('accepted');
    expect(await refusal(bundle, trustIn(key, { scope: 'test' }))).toBe(
      'the signature is for the scope "prod", not "test"',
    );
    expect(await refusal(bundle, trustRsa)).toContain('for the scope "prod", not ""');
    const others = { keys: new Map([['ops', key]]), keyId: '', scope: 'prod' };
    expect(await refusal(bundle, { verification: others, excludeFiles: [] })).toBe(
      'the bundle is signed by the key "ci"; known are: ops',
    );
  });

  test('with data that is written in another way and is the same', async () => {
    const data = contents.get('data.json')?.toString() ?? '';
    const spaced = new Map(contents).set('data.json', Buffer.from(data.replaceAll(',', ' ,\n ')));
    expect(data).not.toBe(String(spaced.get('data.json')));
    expect(await refusal(await repack(spaced))).toBe('accepted');
  });
});

const change = (name: string, to: (bytes: Buffer) => Buffer): Archive =>
  new Map(contents).set(name, to(contents.get(name) ?? Buffer.alloc(0)));

describe('a bundle that was tampered with is refused', () => {
  test.each([
    {
      what: 'changed data',
      make: () => change('data.json', (b) => Buffer.from(String(b).replace('"get"', '"delete"'))),
      says: '"data.json" is not what was signed',
    },
    {
      what: 'a number that is equal and written differently',
      make: () => change('data.json', (b) => Buffer.from(String(b).replace('1e3', '1000'))),
      says: '"data.json" is not what was signed',
    },
    {
      what: 'data with a second key of one name before the signed one',
      make: () =>
        change('data.json', (b) =>
          Buffer.from(String(b).replace('"verbs":', '"verbs":["*"],"verbs":')),
        ),
      says: 'data.json: line 1',
    },
    {
      what: 'a swapped module',
      make: () => change('policy.wasm', (b) => Buffer.concat([b, Buffer.from([0])])),
      says: '"policy.wasm" is not what was signed',
    },
    {
      what: 'a changed manifest',
      make: () =>
        change('.manifest', (b) =>
          Buffer.from(String(b).replace('"revision":""', '"revision":"x"')),
        ),
      says: '".manifest" is not what was signed',
    },
    {
      what: 'an added file',
      make: () => new Map(contents).set('rules/y/y.rego', Buffer.from('package rules.y\n')),
      says: '"rules/y/y.rego" is not covered by the signature',
    },
    {
      what: 'a removed file',
      make: () => new Map([...contents].filter(([name]) => name !== 'rules/x/x.rego')),
      says: '"rules/x/x.rego" is signed and not in the bundle',
    },
    {
      what: 'no signature',
      make: () => new Map([...contents].filter(([name]) => name !== '.signatures.json')),
      says: 'the bundle is not signed',
    },
    {
      what: 'a second signature',
      make: () =>
        change('.signatures.json', (b) => {
          const { signatures } = JSON.parse(String(b)) as { signatures: string[] };
          return Buffer.from(JSON.stringify({ signatures: [...signatures, ...signatures] }));
        }),
      says: 'does not hold exactly one signature',
    },
    {
      what: 'a signature that is no JWT',
      make: () => new Map(contents).set('.signatures.json', Buffer.from('{"signatures": ["a.b"]}')),
      says: 'holds no JWT',
    },
  ])('$what', async ({ make, says }) => {
    const tampered = make();
    expect(tampered).not.toEqual(contents);
    expect(await refusal(await repack(tampered))).toContain(says);
  });

  test('signed with another key', async () => {
    const trust = trustIn({ publicKey: otherRsa.publicKey, algorithm: 'RS256' });
    expect(await refusal(signed, trust)).toBe('the signature does not verify with the key "ci"');
  });

  test.each([{ algorithm: 'PS256' }, { algorithm: 'RS384' }] as const)(
    'signed with another key, by $algorithm',
    async ({ algorithm }) => {
      const bundle = await buildBundle(files, { signing: { key: rsa.privateKey, algorithm } });
      const trust = trustIn({ publicKey: otherRsa.publicKey, algorithm });
      expect(await refusal(bundle, trust)).toBe('the signature does not verify with the key "ci"');
    },
  );

  test('signed with PS256 and changed', async () => {
    const signing = { key: rsa.privateKey, algorithm: 'PS256' };
    const parts = await unpack(await buildBundle(files, { signing }));
    const { signatures } = JSON.parse(String(parts.get('.signatures.json'))) as {
      signatures: [string];
    };
    const [header, payload = '', mac] = signatures[0].split('.');
    const list = Buffer.from(payload, 'base64url').toString().replace('"name"', ' "name"');
    const forged = [[header, base64url(list), mac].join('.')];
    parts.set('.signatures.json', Buffer.from(JSON.stringify({ signatures: forged })));
    const trust = trustIn({ publicKey: rsa.publicKey, algorithm: 'PS256' });
    expect(await refusal(await repack(parts), trust)).toBe(
      'the signature does not verify with the key "ci"',
    );
  });

  test('signed with the right key and another algorithm than the key has', async () => {
    const trust = trustIn({ publicKey: rsa.publicKey, algorithm: 'PS256' });
    expect(await refusal(signed, trust)).toContain("its algorithm is not PS256, the key's own");
  });
});

/** A token over this archive as somebody without the private key can make it. */
async function forge(header: object, sign: (text: string) => string): Promise<Buffer> {
  const [, payload = ''] = (
    JSON.parse(String(contents.get('.signatures.json'))) as {
      signatures: [string];
    }
  ).signatures[0].split('.');
  const text = `${base64url(JSON.stringify(header))}.${payload}`;
  const signatures = [`${text}.${sign(text)}`];
  return repack(
    new Map(contents).set('.signatures.json', Buffer.from(JSON.stringify({ signatures }))),
  );
}

const hmac = (text: string): string =>
  createHmac('sha256', rsa.publicKey).update(text).digest('base64url');

describe('a forged token is refused', () => {
  test('RS to HS: the public key as the secret', async () => {
    expect(await refusal(await forge({ alg: 'HS256' }, hmac))).toContain(
      "its algorithm is not RS256, the key's own",
    );
  });

  test('the same, even where somebody configured the public key as a secret', async () => {
    const trust = trustIn({ secret: new Secret(rsa.publicKey), algorithm: 'HS256' });
    expect(await refusal(await forge({ alg: 'HS256' }, hmac), trust)).toContain(
      'is a public key: name it as publicKey',
    );
  });

  test.each([{ alg: 'none' }, { alg: 'None' }, { alg: 'RS256', crit: ['x'], x: 1 }, {}])(
    'the header %j',
    async (header) => {
      const bundle = await forge(header, () => '');
      const pss = trustIn({ publicKey: rsa.publicKey, algorithm: 'PS256' });
      for (const trust of [trustRsa, pss]) {
        expect(await refusal(bundle, trust)).toMatch(/does not verify/);
      }
    },
  );

  test('a list that hashes with MD5, of a key that is trusted', async () => {
    const list = [...contents].flatMap(([name, bytes]) =>
      name === '.signatures.json'
        ? []
        : [{ name, hash: createHash('md5').update(bytes).digest('hex'), algorithm: 'MD5' }],
    );
    const text = `${base64url('{"alg":"HS256"}')}.${base64url(JSON.stringify({ files: list }))}`;
    const mac = createHmac('sha256', sharedSecret).update(text).digest('base64url');
    const signatures = JSON.stringify({ signatures: [`${text}.${mac}`] });
    const bundle = await repack(new Map(contents).set('.signatures.json', Buffer.from(signatures)));
    const trust = trustIn({ secret: new Secret(sharedSecret), algorithm: 'HS256' });
    expect(await refusal(bundle, trust)).toContain('is hashed with "MD5"; use SHA-256');
  });
});

describe('a file that is excluded from the signature', () => {
  test('is dropped: it may be there and says nothing', async () => {
    const more = new Map(contents).set('README.md', Buffer.from('hello'));
    const bundle = await repack(more);
    expect(await refusal(bundle)).toContain('"README.md" is not covered');
    expect(await refusal(bundle, { ...trustRsa, excludeFiles: ['README.md'] })).toBe('accepted');
  });

  test('cannot be the module', async () => {
    const swapped = new Map(contents).set('policy.wasm', Buffer.from('evil'));
    const trust = { ...trustRsa, excludeFiles: ['policy.wasm'] };
    expect(await refusal(await repack(swapped), trust)).toContain('policy.wasm');
    expect(await refusal(await repack(swapped), trust)).not.toBe('accepted');
  });
});

test('without verification no signature is looked for, because the operator said so', async () => {
  const trust: Trust = { verification: null, excludeFiles: [] };
  expect(await refusal(await buildBundle(files), trust)).toBe('accepted');
  const bare = await packEntries([{ name: 'policy.wasm', content: 'x' }]);
  expect(await refusal(bare, trust)).toContain('.manifest');
});
