import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { emptyRoot } from '../../src/record/merkle/tree-hash.ts';
import {
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
} from '../../src/record/signing/checkpoint.ts';
import {
  ephemeralSigner,
  generateSigningKey,
  openNote,
  parseSigner,
  parseVerifier,
  signNote,
  type Signer,
  type Verifier,
} from '../../src/record/signing/signed-note.ts';
import {
  openCertificate,
  signCertificate,
  streamOrigin,
} from '../../src/record/signing/stream-certificate.ts';

function must<T>(result: { ok: true; value: T } | { ok: false; error: string }): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function pair(name: string): { signer: Signer; verifier: Verifier } {
  const signer = must(parseSigner(generateSigningKey(name)));
  return { signer, verifier: must(parseVerifier(signer.vkey)) };
}

describe('keys', () => {
  // The example key of the documentation of golang.org/x/mod/sumdb/note.
  const skey = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
  const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';

  test('the public key of a known secret key is the known one', () => {
    expect(must(parseSigner(new Secret(skey))).vkey).toBe(vkey);
  });

  test('a note that Go signed is read', () => {
    const text =
      'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n";
    const note = `${text}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
    expect(openNote(note, [must(parseVerifier(vkey))])).toEqual({ ok: true, value: text });
    // Ed25519 is deterministic: ours is the same to the byte.
    expect(signNote(text, must(parseSigner(new Secret(skey))))).toBe(note);
  });

  test.each([
    { name: 'another key id', text: vkey.replace('c74f20a3', 'c74f20a4') },
    { name: 'another name', text: vkey.replace('Peter', 'Pater') },
    { name: 'a shorter key', text: vkey.slice(0, -4) },
    { name: 'no key', text: '' },
    { name: 'the secret key', text: skey },
    { name: 'a name with a space', text: vkey.replace('PeterNeumann', 'Peter Neumann') },
  ])('$name is refused', ({ text }) => {
    expect(parseVerifier(text).ok).toBe(false);
    expect(parseSigner(new Secret(`PRIVATE+KEY+${text}`)).ok).toBe(false);
  });
});

describe('notes', () => {
  const { signer, verifier } = pair('one/ledger');
  const other = pair('one/ledger');
  const note = signNote('a\n\nb\n', signer);

  test('one known signature suffices; those of unknown keys are passed over', () => {
    const line = signNote('a\n\nb\n', other.signer).split('\n').at(-2) ?? '';
    expect(openNote(`${note}${line}\n`, [verifier])).toEqual({ ok: true, value: 'a\n\nb\n' });
    expect(openNote(note, [other.verifier]).ok).toBe(false);
    expect(openNote(note, []).ok).toBe(false);
  });

  test('a changed byte anywhere is found', () => {
    for (let at = 0; at < note.length; at += 1) {
      const code = note.charCodeAt(at);
      const changed = `${note.slice(0, at)}${String.fromCharCode(code ^ 1)}${note.slice(at + 1)}`;
      expect(openNote(changed, [verifier]).ok, `character ${at}`).toBe(false);
    }
  });

  test.each([
    { name: 'nothing', text: '' },
    { name: 'no signature', text: 'a\n' },
    { name: 'no line break at its end', text: note.slice(0, -1) },
    { name: 'a carriage return', text: note.replace('a\n', 'a\r\n') },
    { name: 'half a character', text: note.replace('a', '\ud800') },
    { name: 'base64 in another form', text: note.replace(/\n$/, '=\n') },
    { name: 'more signatures than a note may have', text: note + note.repeat(101) },
    { name: 'a text without end', text: `${'a'.repeat(70_000)}\n${note}` },
  ])('a note with $name is refused', ({ text }) => {
    expect(openNote(text, [verifier]).ok).toBe(false);
  });

  test('a text with control characters is never signed', () => {
    expect(() => signNote('a\u0007\n', signer)).toThrow(RangeError);
    expect(() => signNote('a', signer)).toThrow(RangeError);
  });

  test('a key that cannot be named is never made', () => {
    expect(() => ephemeralSigner('a+b')).toThrow(RangeError);
  });
});

describe('checkpoints', () => {
  const { signer, verifier } = pair('one/ledger');
  const checkpoint = { origin: 'one/ledger', size: 2 ** 52, root: emptyRoot };
  const note = signCheckpoint(checkpoint, signer);

  test('three lines and a signature, which read back', () => {
    expect(note).toMatch(
      /^one\/ledger\n4503599627370496\n47DEQpj8HBSa\+\/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— one\/ledger \S+\n$/,
    );
    expect(openCheckpoint(note, verifier, 'one/ledger')).toEqual({ ok: true, value: checkpoint });
  });

  test('that of another tree is refused, though the key is right', () => {
    const opened = openCheckpoint(note, verifier, 'two/ledger');
    expect(opened.ok ? '' : opened.error).toMatch(/is of one\/ledger, not of two\/ledger/);
  });

  test.each([
    { name: 'a leading zero', text: 'a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n' },
    {
      name: 'more than a number holds',
      text: 'a\n9999999999999999\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
    },
    { name: 'a short root', text: 'a\n1\nAAAA\n' },
    { name: 'an extension', text: 'a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nx\n' },
    { name: 'no size', text: 'a\n' },
  ])('one with $name is refused', ({ text }) => {
    expect(parseCheckpoint(text).ok).toBe(false);
  });
});

describe('certificates', () => {
  const { signer, verifier } = pair('one/ledger');
  const streamKey = ephemeralSigner(streamOrigin('one', 's1'));
  const certificate = {
    deployment: 'one',
    stream: 's1',
    vkey: streamKey.vkey,
    replica: 'host/1',
    openedAt: '2026-11-20T12:00:00.000Z',
  };

  test('a certificate reads back with the key that opens the checkpoints of its stream', () => {
    const opened = must(openCertificate(signCertificate(certificate, signer), verifier));
    expect(opened).toMatchObject(certificate);
    const origin = streamOrigin('one', 's1');
    const note = signCheckpoint({ origin, size: 0, root: emptyRoot }, streamKey);
    expect(openCheckpoint(note, opened.verifier, origin).ok).toBe(true);
  });

  test('a host that calls itself by two lines adds none', () => {
    const replica = 'host\nopened 1970-01-01T00:00:00.000Z';
    const note = signCertificate({ ...certificate, replica }, signer);
    const opened = must(openCertificate(note, verifier));
    expect(opened.openedAt).toBe(certificate.openedAt);
    expect(opened.replica).toBe('host?opened 1970-01-01T00:00:00.000Z');
  });

  test.each([
    { name: "another stream's key", change: { stream: 's2' } },
    { name: 'another deployment', change: { deployment: 'two' } },
    { name: 'the deployment key itself', change: { vkey: signer.vkey } },
  ])('a certificate of $name is refused', ({ change }) => {
    const note = signCertificate({ ...certificate, ...change }, signer);
    expect(openCertificate(note, verifier).ok).toBe(false);
  });

  test('a checkpoint of the same key is no certificate', () => {
    const note = signCheckpoint({ origin: 'one/ledger', size: 1, root: emptyRoot }, signer);
    expect(openCertificate(note, verifier).ok).toBe(false);
  });
});
