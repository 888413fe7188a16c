import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
} from 'yaml';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ConfigPath, ConfigProblem, Finding } from './problem.ts';
import { pathText } from './problem.ts';

/** A parsed file: its data, and a way from a finding to its line. */
export type YamlSource = {
  readonly data: unknown;
  readonly locate: (finding: Finding) => ConfigProblem;
};

type Node = { readonly range?: readonly number[] | null | undefined };

/** Aliases may be used, but not to blow a small file up to gigabytes ("billion laughs"). */
const aliasesMax = 100;

/**
 * Parses YAML 1.2 strictly: one document, no duplicate keys, no unknown tags (a warning is an error here: what the
 * parser is unsure of, the reader of the file will be too).
 */
export function parseYaml(file: string, text: string): Result<YamlSource, ConfigProblem[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    prettyErrors: false,
  });
  const at = (offset: number, path: ConfigPath, said: Omit<Finding, 'path'>): ConfigProblem => {
    const { line, col } = lines.linePos(offset);
    const { problem, expected, fix } = said;
    return { file, line, column: col, path: pathText(path), problem, expected, fix };
  };
  const broken = [...document.errors, ...document.warnings].map((error) =>
    at(error.pos[0], [], {
      problem: error.message,
      expected: 'one YAML document',
      fix: 'mend the file at this place',
    }),
  );
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const problem = `alias *${alias.source} has no anchor before it`;
      const expected = `&${alias.source} at an earlier place`;
      broken.push(at(startOf(alias) ?? 0, [], { problem, expected, fix: 'add the anchor' }));
    },
  });
  if (broken.length > 0) return err(broken);
  try {
    const data: unknown = document.toJS({ maxAliasCount: aliasesMax });
    const locate = (finding: Finding) =>
      at(offsetOf(document, finding.path), finding.path, finding);
    return ok({ data, locate });
  } catch (cause) {
    const problem = errorText(cause);
    return err([at(0, [], { problem, expected: '', fix: 'write the aliases out' })]);
  }
}

/** Where a path stands in the text; of a key that is missing, where its parent does. */
function offsetOf(document: Document.Parsed, path: ConfigPath): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const { range }: Node = node;
  return range?.[0];
}
