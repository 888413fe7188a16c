import { isContains, isElementSet, isPublicSet, isRuleModule } from './check-shape.ts';
import { elementFields, PLACEHOLDER, placeholders, recordLevels } from './element-fields.ts';
import type { ElementField } from './element-fields.ts';
import {
  isStringField,
  stringProblem,
  type ElementPorts,
  type StringField,
} from './element-strings.ts';
import { problem, type At, type PolicyProblem } from './problem.ts';
import type { Module, Rule, Term } from './rego-ast.ts';
import { resolve, ruleScope, type Program } from './rego-scope.ts';

/** A part of the data that an element takes a field from: checked against schema and values once data is read. */
export type DataUse = {
  readonly file: string;
  readonly at: At;
  readonly field: StringField | 'where';
  /** Below `data`; `*` is any item or value. */
  readonly path: readonly string[];
  /** So many steps of the path are sure, because the rule's own body went through them. */
  readonly boundSteps: number;
};

export type ElementCheck = {
  readonly problems: readonly PolicyProblem[];
  readonly dataUses: readonly DataUse[];
  readonly approverGroups: readonly string[];
};

type Found = {
  readonly problems: PolicyProblem[];
  readonly dataUses: DataUse[];
  readonly groups: Set<string>;
};

type Place = {
  readonly program: Program;
  readonly module: Module;
  readonly rule: Rule;
  readonly ports: ElementPorts;
  readonly found: Found;
};

/**
 * Checks the head of every element: written out as an object, known fields only, nothing computed. A computed head is
 * undefined when a part of it is, and then a deny whose condition holds is not there.
 */
export function checkElements(program: Program, module: Module, ports: ElementPorts): ElementCheck {
  const found: Found = { problems: [], dataUses: [], groups: new Set() };
  if (isRuleModule(module)) {
    for (const rule of module.rules) {
      if (!isPublicSet(rule.name) || !isContains(rule) || rule.key === null) continue;
      checkHead({ program, module, rule, ports, found }, rule.key);
    }
  }
  const { problems, dataUses, groups } = found;
  return { problems, dataUses, approverGroups: [...groups] };
}

function say(place: Place, at: At, what: string, fix: string): void {
  place.found.problems.push(problem(place.module.file, at, what, fix));
}

function checkHead(place: Place, key: Term): void {
  const { rule } = place;
  if (rule.name === 'fetch') {
    const [only, ...more] = key.kind === 'object' ? key.entries : [];
    const good = only !== undefined && more.length === 0 && isLive(only);
    if (!good) say(place, rule.at, 'an element of fetch', 'write fetch contains {"live": true} if');
    return;
  }
  if (key.kind !== 'object') {
    say(
      place,
      key.at,
      `an element of ${rule.name} is computed: where a part of it is undefined it vanishes`,
      'write the element in the head, as an object with "id" and "reason"',
    );
    return;
  }
  if (!isElementSet(rule.name)) return;
  const known: Readonly<Record<string, ElementField>> = elementFields[rule.name];
  const seen = new Set<string>();
  for (const [name, value] of key.entries) {
    if (name.kind !== 'string') {
      say(place, name.at, `a field name of ${rule.name} is computed`, 'write it as a string');
      continue;
    }
    seen.add(name.value);
    const field = Object.hasOwn(known, name.value) ? known[name.value] : undefined;
    if (field === undefined) {
      const fields = Object.keys(known).join(', ');
      say(
        place,
        name.at,
        `${rule.name} has no field ${JSON.stringify(name.value)}`,
        `it has ${fields}`,
      );
    } else {
      checkField(place, name.value, field, value);
    }
  }
  for (const [name, field] of Object.entries(known)) {
    if (field.required && !seen.has(name)) {
      say(place, rule.at, `an element of ${rule.name} has no ${name}`, `add "${name}"`);
    }
  }
  if (rule.name === 'mask' && !seen.has('fields') && !seen.has('patterns')) {
    say(place, rule.at, 'a mask hides nothing', 'add "fields" or "patterns"');
  }
}

const isLive = ([name, value]: readonly [Term, Term]): boolean =>
  name.kind === 'string' && name.value === 'live' && value.kind === 'boolean' && value.value;

function checkField(place: Place, name: string, field: ElementField, value: Term): void {
  switch (field.kind) {
    case 'unsupported':
      say(
        place,
        value.at,
        `${name} are not supported yet by this version`,
        'use approvers and quorum',
      );
      return;
    case 'text':
      checkText(place, name, value);
      return;
    case 'boolean':
      if (value.kind !== 'boolean')
        say(place, value.at, `${name} is computed`, 'write true or false');
      return;
    case 'count':
    case 'seconds':
      checkCount(place, name, field.kind, value);
      return;
    case 'level':
      if (value.kind !== 'string' || !recordLevels.some((level) => level === value.value)) {
        say(place, value.at, 'the level of a record element', `write ${recordLevels.join(', ')}`);
      }
      return;
    case 'strings':
      if (isStringField(name)) checkStrings(place, name, value);
      return;
    case 'where':
      checkWhere(place, value);
      return;
  }
}

const countMax = 100;
const secondsMax = 30 * 86_400;
const textCharsMax = 500;
const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

function checkCount(place: Place, name: string, kind: 'count' | 'seconds', value: Term): void {
  const max = kind === 'count' ? countMax : secondsMax;
  const good = value.kind === 'number' && Number.isInteger(value.value) && value.value >= 1;
  if (!good || value.value > max) {
    say(place, value.at, `${name} is no whole number from 1 to ${max}`, 'write such a number');
  }
}

function checkText(place: Place, name: string, value: Term): void {
  if (value.kind !== 'string') {
    say(
      place,
      value.at,
      `${name} is computed: where a part of it is undefined the element vanishes`,
      `write a string; {${placeholders.join('}, {')}} are filled in by the gateway`,
    );
    return;
  }
  const text = value.value;
  if (name === 'id' && !ID.test(text)) {
    say(
      place,
      value.at,
      `the id ${JSON.stringify(text)}`,
      'use lower-case letters, digits, dashes',
    );
  }
  // Control characters could forge lines of an answer or a log.
  if (text.trim() === '' || text.length > textCharsMax || /\p{Cc}/u.test(text)) {
    say(
      place,
      value.at,
      `${name} is empty, over ${textCharsMax} characters or has control characters`,
      'write one sentence',
    );
  }
  for (const [whole, inner = ''] of text.matchAll(PLACEHOLDER)) {
    const fillable = name === 'reason' || name === 'instead';
    if (fillable && placeholders.some((one) => one === inner)) continue;
    say(
      place,
      value.at,
      `${name} has ${whole}, which nothing fills in`,
      fillable ? `use {${placeholders.join('}, {')}}` : 'write plain text',
    );
  }
}

function checkStrings(place: Place, name: StringField, value: Term): void {
  if (value.kind === 'array' || value.kind === 'set') {
    if (value.items.length === 0) say(place, value.at, `${name} is empty`, 'name at least one');
    for (const item of value.items) {
      if (item.kind === 'string') checkString(place, name, item.value, item.at);
      else say(place, item.at, `an item of ${name} is computed`, 'write a string');
    }
    return;
  }
  const path = dataPath(place, value);
  if (path === null) {
    say(
      place,
      value.at,
      `${name} is computed: where a part of it is undefined the element vanishes`,
      `write a list of strings, data.<topic>.…, or a variable that the body binds to such data: entry := data.<topic>.…[…], then entry.${name}`,
    );
    return;
  }
  place.found.dataUses.push({ file: place.module.file, at: value.at, field: name, ...path });
}

function checkString(place: Place, name: StringField, value: string, at: At): void {
  const wrong = stringProblem(name, value, place.ports);
  if (wrong !== null) say(place, at, wrong.what, wrong.fix);
  if (name === 'approvers') place.found.groups.add(value);
}

function checkWhere(place: Place, value: Term): void {
  if (value.kind !== 'object') {
    const path = dataPath(place, value);
    if (path === null) {
      say(place, value.at, 'where is computed', 'write {"labels": {…}} or data.<topic>.…');
    } else {
      const { file } = place.module;
      place.found.dataUses.push({ file, at: value.at, field: 'where', ...path });
    }
    return;
  }
  for (const [name, part] of value.entries) {
    const key = name.kind === 'string' ? name.value : '';
    const strings =
      key === 'names' && (part.kind === 'array' || part.kind === 'set')
        ? part.items
        : part.kind === 'object' && (key === 'labels' || key === 'annotations')
          ? part.entries.flat()
          : null;
    if (strings === null || strings.length === 0) {
      say(
        place,
        name.at,
        `where has labels, annotations and names, not ${key || 'this'} of this form`,
        'write {"labels": {"app": "x"}} or {"names": ["x"]}',
      );
    } else if (strings.some((one) => one.kind !== 'string')) {
      say(place, part.at, `${key} of where is computed`, 'write strings');
    }
  }
}

/**
 * The data path of a head's value, if its being there is sure: `data.<topic>` with constant steps, or such steps below
 * a variable that the rule's own body binds to data (then the body fails where it is missing, for all to see).
 */
function dataPath(place: Place, value: Term): Pick<DataUse, 'path' | 'boundSteps'> | null {
  const [head, ...steps] = value.kind === 'ref' ? value.parts : [value];
  if (head?.kind !== 'var' || steps.some((step) => step.kind !== 'string')) return null;
  const scope = ruleScope(place.program, place.module, place.rule);
  const bindings = resolve(place.program, place.module, scope, value);
  const [only, ...more] = bindings;
  if (only === undefined || more.length > 0 || only.root !== 'data') return null;
  if (only.path.length < 2) return null;
  const boundSteps = scope.has(head.name) ? only.path.length - steps.length : 0;
  return { path: only.path, boundSteps };
}
