import { problem, wholeFile, type PolicyProblem } from './problem.ts';
import type { Module } from './rego-ast.ts';
import { isTestFile } from './rego-program.ts';

/** What a policies folder may hold, and which package belongs into which file. */

const RULE_NAME = /^[a-z][a-z0-9_]{0,62}$/;
const DATA_FILES = new Set(['data.yaml', 'data.json']);
const SCHEMA_FILE = 'schema.json';

/** Folders whose names are packages: data there would replace or join what rules say. */
const RESERVED = new Set(['rules', 'gate', 'lib', 'tests', 'input', 'data']);

/** Files that OPA would take up (`opa build -b`) or that we read; all others (README, .gitignore) are left alone. */
export const isPolicyFile = (file: string): boolean => {
  const base = file.split('/').at(-1) ?? '';
  if (file.split('/').some((part) => part.startsWith('.'))) return false;
  return base.endsWith('.rego') || DATA_FILES.has(base) || base === 'data.yml' || isSchema(file);
};

const isSchema = (file: string): boolean => /^[^/]+\/schema\.json$/.test(file);

/** The topic of a data or schema file at `<topic>/data.yaml`, or null. */
export function topicOf(file: string): string | null {
  const [topic = '', base = '', ...more] = file.split('/');
  const known = DATA_FILES.has(base) || base === SCHEMA_FILE;
  return known && more.length === 0 && RULE_NAME.test(topic) && !RESERVED.has(topic) ? topic : null;
}

export const isDataFile = (file: string): boolean => DATA_FILES.has(file.split('/').at(-1) ?? '');

/** Refuses data that could stand in for rules, and data outside `<topic>/data.yaml`. */
export function checkFiles(files: readonly string[]): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  for (const file of files) {
    if (file.endsWith('.rego') || isSchema(file)) continue;
    if (topicOf(file) !== null) continue;
    const folder = file.split('/')[0] ?? '';
    problems.push(
      problem(
        file,
        wholeFile,
        RESERVED.has(folder)
          ? `data under data.${folder} could stand in for rules`
          : 'data lives at <topic>/data.yaml, where <topic> is in lower-case letters, digits and underscores',
        'move it to <topic>/data.yaml, with <topic>/schema.json beside it',
      ),
    );
  }
  return problems;
}

type Expected = { readonly package: readonly string[]; readonly why: string };

function expectedPackage(file: string, module: Module): Expected | null {
  const parts = file.split('/');
  const [folder = '', second = ''] = parts;
  if (folder === 'gate' && parts.length === 2) {
    return { package: ['gate'], why: 'files in gate/ are package gate' };
  }
  if (folder !== 'rules' && folder !== 'lib') return null;
  if (parts.length !== 2 && parts.length !== 3) return null;
  const name = parts.length === 2 ? second.replace(/\.rego$/, '') : second;
  if (!RULE_NAME.test(name)) return null;
  return {
    package: [folder, name],
    why: `this file is ${file}, its package is ${folder}.${name}, not ${module.package.join('.')}`,
  };
}

/** Refuses a module whose package is not the one of its place. */
export function checkPackage(module: Module): readonly PolicyProblem[] {
  const { file } = module;
  if (isTestFile(file)) {
    if (module.package[0] === 'tests' && module.package.length === 2) return [];
    return [
      problem(
        file,
        module.packageAt,
        `tests are in package tests.<name>, not ${module.package.join('.')}: under rules the fold would gather them`,
        'write `package tests.<name>`',
      ),
    ];
  }
  const expected = expectedPackage(file, module);
  if (expected === null) {
    return [
      problem(
        file,
        module.packageAt,
        'Rego files are rules/<name>.rego, rules/<name>/*.rego, lib/<name>/*.rego or gate/*.rego, names in lower-case letters, digits and underscores',
        'move the file',
      ),
    ];
  }
  const name = expected.package.join('.');
  if (name === 'rules.gate') {
    return [problem(file, module.packageAt, 'rules.gate is the name of the fold', 'rename it')];
  }
  if (module.package.join('.') === name) return [];
  return [problem(file, module.packageAt, expected.why, `write \`package ${name}\``)];
}

/** Refuses imports that hide what a rule reads: the load checks must see `input` and `data` by name. */
export function checkImports(module: Module): readonly PolicyProblem[] {
  if (isTestFile(module.file)) return [];
  const problems: PolicyProblem[] = [];
  for (const one of module.imports) {
    const [root, top] = one.path;
    const text = one.path.join('.');
    if (root === 'input') {
      problems.push(
        problem(module.file, one.at, `${text} is imported`, 'write input.… where it is read'),
      );
    } else if (root === 'data' && (top === undefined || RESERVED_IMPORTS.has(top))) {
      problems.push(
        problem(
          module.file,
          one.at,
          `${text} is imported: rules do not read other rules`,
          'move what is shared into lib/<name>/',
        ),
      );
    } else if (root !== 'data' && root !== 'rego' && root !== 'future') {
      problems.push(problem(module.file, one.at, `${text} is imported`, 'import data.lib.<name>'));
    }
  }
  return problems;
}

const RESERVED_IMPORTS = new Set(['rules', 'gate', 'tests']);
