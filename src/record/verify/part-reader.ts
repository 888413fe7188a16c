import { z } from 'zod';
import { partNames } from '../bundle/manifest.ts';
import { readSmall, TarProblem, type TarFile } from '../bundle/tar.ts';
import { hashBytes } from '../merkle/tree-hash.ts';
import { proofHashesMax } from '../merkle/proofs.ts';
import { linesOf } from './lines.ts';
import type { CarriedCheckpoint } from './tree-check.ts';

/** A proof as a bundle carries it: that record `seq` is in the tree of `size` records. */
export type CarriedProof = {
  readonly seq: number;
  readonly size: number;
  readonly hashes: readonly Buffer[];
};

/** What the leaves of a part come with. */
export type Beside =
  | { readonly kind: 'hashes'; readonly hashes: Buffer }
  | { readonly kind: 'proofs'; readonly proofs: readonly CarriedProof[] };

/** Takes the parts of one folder: the ledger's, or a stream's. */
export type PartTarget = {
  readonly checkpoints: (carried: readonly CarriedCheckpoint[]) => void;
  /** `at`: how many leaves of this part came before. */
  readonly leaves: (lines: readonly Buffer[], beside: Beside, at: number) => void;
};

/** A part has at most 1000 leaves, or a single one that is larger. Bytes of what stands beside them. */
const besideBytesMax = 8 * 1024 * 1024;

const count = z.number().int().min(0);
const checkpointLine = z.strictObject({ size: count, note: z.string() });
const proofLine = z.strictObject({
  seq: count,
  size: count,
  hashes: z.array(z.base64().length(44)).max(proofHashesMax),
});

/** Reads the parts of a folder in their one order: checkpoints, what stands beside the leaves, the leaves. */
export class PartReader {
  readonly #folder: string;
  readonly #target: PartTarget;
  readonly #with: 'hashes' | 'proofs';
  #part = 1;
  #step: 'checkpoints' | 'beside' | 'leaves' = 'checkpoints';
  #beside: Beside = { kind: 'proofs', proofs: [] };

  constructor(folder: string, what: 'hashes' | 'proofs', target: PartTarget) {
    this.#folder = folder;
    this.#with = what;
    this.#target = target;
  }

  /** The one file name that may come next, beside the begin of another folder. */
  get nextName(): string {
    const names = partNames(this.#folder, this.#part);
    return this.#step === 'beside' ? names[this.#with] : names[this.#step];
  }

  /** True between two parts: another folder may begin. */
  get isBetween(): boolean {
    return this.#step === 'checkpoints';
  }

  async read(file: TarFile): Promise<void> {
    if (file.name !== this.nextName) {
      throw new TarProblem('malformed', `${file.name} stands where ${this.nextName} should be`);
    }
    if (this.#step === 'checkpoints') {
      this.#target.checkpoints(await linesAs(file, checkpointLine));
      this.#step = 'beside';
    } else if (this.#step === 'beside') {
      this.#beside = this.#with === 'hashes' ? await hashesOf(file) : await proofsOf(file);
      this.#step = 'leaves';
    } else {
      await this.#leaves(file);
      this.#step = 'checkpoints';
      this.#part += 1;
    }
  }

  async #leaves(file: TarFile): Promise<void> {
    const beside = this.#beside;
    const expected =
      beside.kind === 'hashes' ? beside.hashes.length / hashBytes : beside.proofs.length;
    let at = 0;
    for await (const lines of linesOf(file.content(), file.name)) {
      this.#target.leaves(lines, beside, at);
      at += lines.length;
    }
    if (at !== expected) {
      throw new TarProblem('malformed', `${file.name} has ${at} lines, not ${expected}`);
    }
  }
}

async function hashesOf(file: TarFile): Promise<Beside> {
  const hashes = await smallOf(file);
  if (hashes.length % hashBytes !== 0) {
    throw new TarProblem('malformed', `${file.name} holds no whole hashes`);
  }
  return { kind: 'hashes', hashes };
}

async function proofsOf(file: TarFile): Promise<Beside> {
  const proofs = await linesAs(file, proofLine);
  const bytesOf = (hashes: readonly string[]): Buffer[] =>
    hashes.map((hash) => Buffer.from(hash, 'base64'));
  return {
    kind: 'proofs',
    proofs: proofs.map(({ seq, size, hashes }) => ({ seq, size, hashes: bytesOf(hashes) })),
  };
}

async function linesAs<Schema extends z.ZodType>(
  file: TarFile,
  schema: Schema,
): Promise<z.infer<Schema>[]> {
  const text = (await smallOf(file)).toString('utf8');
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new TarProblem('malformed', `${file.name} ends inside a line`);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line, index) => {
      const value = schema.safeParse(jsonOf(line));
      if (value.success) return value.data;
      throw new TarProblem('malformed', `line ${index + 1} of ${file.name} cannot be read`);
    });
}

async function smallOf(file: TarFile): Promise<Buffer> {
  const bytes = await readSmall(file, besideBytesMax);
  if (!bytes.ok) throw new TarProblem('malformed', bytes.error);
  return bytes.value;
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
