import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { leafHash } from '../../src/record/leaf.ts';
import {
  consistencyProof,
  hashTree,
  inclusionProof,
  rootAt,
} from '../../src/record/merkle/proofs.ts';
import { signCheckpoint } from '../../src/record/signing/checkpoint.ts';
import {
  generateSigningKey,
  openNote,
  parseSigner,
  parseVerifier,
} from '../../src/record/signing/signed-note.ts';

const go = 'go';
const hasGo = spawnSync(go, ['version']).status === 0;
if (!hasGo) process.stderr.write('\ntlog judge NOT RUN: it needs Go on the PATH\n\n');

/** What the judge answers, as far as it is compared. */
type Answer = {
  readonly roots: readonly string[];
  readonly problems: readonly string[];
  readonly text: string;
  readonly ourKeyNote: string;
  readonly goNote: string;
  readonly goVkey: string;
};

test.runIf(hasGo)(
  "trees, proofs and notes are what Go's checksum database takes, and its notes are read here",
  { timeout: 180_000 },
  () => {
    const count = 130;
    const leaves = Array.from({ length: count }, (_, index) => Buffer.from(`leaf ${index}`));
    const tree = hashTree(leaves.map(leafHash));
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const roots = leaves.map((_, index) => base64(rootAt(tree, index + 1)));
    const inclusion = leaves.flatMap((leaf, index) =>
      [index + 1, 64, 127, 128, count]
        .filter((size) => size > index && size <= count)
        .map((size) => ({
          index,
          size,
          leaf: base64(leafHash(leaf)),
          root: roots[size - 1],
          proof: inclusionProof(tree, index, size).map(base64),
        })),
    );
    const consistency = [1, 2, 3, 63, 64, 65, 100, 128, 129, count].flatMap((to) =>
      leaves.slice(0, to).map((_, before) => ({
        from: before + 1,
        to,
        fromRoot: roots[before],
        toRoot: roots[to - 1],
        proof: consistencyProof(tree, before + 1, to).map(base64),
      })),
    );
    const skey = generateSigningKey('one.example/ledger');
    const signer = parseSigner(skey);
    if (!signer.ok) throw new Error(signer.error);
    const note = signCheckpoint(
      { origin: signer.value.name, size: count, root: rootAt(tree, count) },
      signer.value,
    );
    const { vkey } = signer.value;
    const input = JSON.stringify({
      leaves: leaves.map(base64),
      inclusion,
      consistency,
      note,
      vkey,
      skey: skey.reveal(),
    });
    const output = execFileSync(go, ['run', '.'], {
      cwd: new URL('./go-judge/', import.meta.url),
      input,
      maxBuffer: 16 * 1024 * 1024,
    });
    const answer = JSON.parse(output.toString()) as Answer;
    expect(answer.problems).toEqual([]);
    expect(answer.roots).toEqual(roots);
    expect(note.startsWith(`${answer.text}\n`)).toBe(true);
    expect(answer.ourKeyNote).toBe(note);
    for (const key of [vkey, answer.goVkey]) {
      const verifier = parseVerifier(key);
      if (!verifier.ok) throw new Error(verifier.error);
      expect(openNote(answer.goNote, [verifier.value])).toEqual({ ok: true, value: answer.text });
    }
  },
);
