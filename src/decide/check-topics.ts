import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { DataUse } from './check-elements.ts';
import { stringProblem, type ElementPorts } from './element-strings.ts';
import { topicOf, isDataFile } from './check-layout.ts';
import { checkData, readDataSchema, surePath, valuesAt, type DataSchema } from './json-schema.ts';
import { problem, wholeFile, type At, type PolicyProblem } from './problem.ts';
import type { Reference } from './rego-program.ts';

/** A topic of the data: its schema, and the file that holds its values. */
type Topic = { readonly schema: DataSchema; readonly dataFile: string };

export type Topics = {
  readonly problems: readonly PolicyProblem[];
  readonly byName: ReadonlyMap<string, Topic>;
  /** Topics that have no schema, where they need none. */
  readonly withoutSchema: ReadonlySet<string>;
};

/** `optional`: sources out of a bundle, where `opa build` leaves the schemas out. */
export type SchemaNeed = 'mandatory' | 'optional';

/** Reads the schemas of all topics; data without a mandatory schema, and a schema without data, are refused. */
export function readTopics(files: ReadonlyMap<string, string>, schemas: SchemaNeed): Topics {
  const problems: PolicyProblem[] = [];
  const withoutSchema = new Set<string>();
  const byName = new Map<string, Topic>();
  const names = new Set([...files.keys()].map(topicOf).filter((name) => name !== null));
  for (const name of names) {
    const dataFiles = [...files.keys()].filter(
      (file) => topicOf(file) === name && isDataFile(file),
    );
    const [dataFile, second] = dataFiles;
    const schemaFile = `${name}/schema.json`;
    const text = files.get(schemaFile);
    if (dataFile === undefined) {
      problems.push(
        problem(schemaFile, wholeFile, `data.${name} has a schema and no data`, 'add data.yaml'),
      );
    } else if (second !== undefined) {
      problems.push(
        problem(second, wholeFile, `data.${name} has two files of data`, 'keep one of them'),
      );
    } else if (text === undefined && schemas === 'optional') {
      withoutSchema.add(name);
    } else if (text === undefined) {
      problems.push(
        problem(
          dataFile,
          wholeFile,
          `data.${name} has no schema, so nothing makes its fields mandatory`,
          `write ${schemaFile}`,
        ),
      );
    } else {
      const schema = parseSchema(text);
      if (typeof schema === 'string') {
        problems.push(problem(schemaFile, wholeFile, schema, 'mend the schema'));
      } else {
        byName.set(name, { schema, dataFile });
      }
    }
  }
  return { problems, byName, withoutSchema };
}

function parseSchema(text: string): DataSchema | string {
  try {
    return readDataSchema(JSON.parse(text));
  } catch (cause) {
    return `it is no JSON: ${String(cause)}`;
  }
}

/** Refuses references to data that may not be there: a condition on it would be silently undefined. */
export function checkDataReferences(
  topics: Topics,
  references: readonly Reference[],
  uses: readonly DataUse[],
): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const look = (file: string, at: At, path: readonly string[], boundSteps: number): void => {
    const [name = '', ...rest] = path;
    const text = `data.${path.join('.')}`;
    const topic = topics.byName.get(name);
    if (topic === undefined) {
      if (topics.withoutSchema.has(name)) return;
      if (topics.problems.some((one) => one.file.startsWith(`${name}/`))) return;
      const fix = `add ${name}/data.yaml and ${name}/schema.json`;
      problems.push(problem(file, at, `${text}: there is no such data`, fix));
      return;
    }
    const unsure = surePath(topic.schema, rest, boundSteps);
    if (unsure === null) return;
    const fix = `compare it with ${name}/schema.json`;
    problems.push(problem(file, at, `${text} may be undefined: ${unsure}`, fix));
  };
  for (const one of references) {
    const internal = ['rules', 'gate', 'lib', 'tests', '*', undefined].includes(one.path[0]);
    if (one.root === 'data' && !internal) look(one.file, one.at, one.path, Infinity);
  }
  for (const use of uses) look(use.file, use.at, use.path, use.boundSteps - 1);
  return problems;
}

/** Checks the values: each topic against its schema, and what elements take from data for what it must be. */
export function checkValues(
  topics: Topics,
  files: ReadonlyMap<string, string>,
  data: Readonly<Record<string, unknown>>,
  uses: readonly DataUse[],
  ports: ElementPorts,
): { readonly problems: readonly PolicyProblem[]; readonly approverGroups: readonly string[] } {
  const problems: PolicyProblem[] = [];
  const groups = new Set<string>();
  const say = (name: string, path: readonly string[], what: string, fix: string): void => {
    const file = topics.byName.get(name)?.dataFile ?? `${name}/data.json`;
    const at = placeInYaml(files.get(file) ?? '', path);
    problems.push(problem(file, at, what, fix));
  };
  for (const [name, topic] of topics.byName) {
    for (const one of checkData(topic.schema, data[name])) {
      const text = ['data', name, ...one.path].join('.');
      say(name, one.path, `${text} ${one.what}`, `compare it with ${name}/schema.json`);
    }
  }
  if (problems.length > 0) return { problems, approverGroups: [] };
  for (const use of uses) {
    const [name = '', ...path] = use.path;
    for (const found of valuesAt(data[name], path)) {
      for (const wrong of valueProblems(use.field, found.value, ports)) {
        const from = `${use.file}:${use.at.line}`;
        const place = [...found.path, ...wrong.below];
        const text = ['data', name, ...place].join('.');
        say(name, place, `${text} (used by ${from}): ${wrong.what}`, wrong.fix);
      }
      if (use.field === 'approvers') for (const one of textsOf(found.value)) groups.add(one);
    }
  }
  return { problems, approverGroups: [...groups] };
}

const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

type ValueProblem = {
  /** The steps below the value to what is wrong: the index of a list item. */
  readonly below: readonly string[];
  readonly what: string;
  readonly fix: string;
};

function valueProblems(
  field: DataUse['field'],
  value: unknown,
  ports: ElementPorts,
): readonly ValueProblem[] {
  if (field === 'where') {
    const good = typeof value === 'object' && value !== null && !Array.isArray(value);
    const keys = good ? Object.keys(value) : [];
    const known = keys.every((key) => ['labels', 'annotations', 'names'].includes(key));
    if (good && known) return [];
    return [{ below: [], what: 'is no where of a mask', fix: 'use labels, annotations, names' }];
  }
  const texts = textsOf(value);
  if (!Array.isArray(value) || texts.length !== value.length || texts.length === 0) {
    const what = 'is no list of strings with at least one item';
    return [{ below: [], what, fix: 'name at least one' }];
  }
  return texts.flatMap((one, index) => {
    const wrong = stringProblem(field, one, ports);
    return wrong === null ? [] : [{ below: [String(index)], ...wrong }];
  });
}

/** The line of a path in a YAML (or JSON) text; of its nearest parent where it is missing. */
function placeInYaml(text: string, path: readonly string[]): At {
  const counter = new LineCounter();
  let node: unknown = parseDocument(text, { lineCounter: counter }).contents;
  let at: At = { line: 1, column: 1 };
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) return at;
      const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      if (start !== undefined) at = placeOf(counter, start);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      const start = isScalar(node) || isMap(node) || isSeq(node) ? node.range?.[0] : undefined;
      if (start !== undefined) at = placeOf(counter, start);
    }
  }
  return at;
}

function placeOf(counter: LineCounter, offset: number): At {
  const { line, col } = counter.linePos(offset);
  return { line, column: col };
}
