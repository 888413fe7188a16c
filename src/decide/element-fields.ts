/**
 * The fields that an element of each set may have: design "the policy contract". One table, from which the load checks,
 * the strict reading of a decision and `docs/policies.md` come.
 */
export type FieldKind =
  'text' | 'boolean' | 'count' | 'seconds' | 'level' | 'strings' | 'where' | 'unsupported';

export type ElementField = {
  readonly kind: FieldKind;
  readonly required: boolean;
  readonly meaning: string;
};

const field = (kind: FieldKind, meaning: string, required = false): ElementField => ({
  kind,
  required,
  meaning,
});

const common = {
  id: field('text', 'Names the element within its rule: lower-case letters, digits, dashes.', true),
  reason: field('text', 'Why, in one sentence. People and agents read it.', true),
};

const opaque = field('boolean', 'Also where the body could not be read. Default false.');
const reveals = field(
  'boolean',
  'Also where the call could show what a mask hides. Default false.',
);

export const elementFields = {
  deny: { ...common, instead: field('text', 'What to do instead.') },
  hold: {
    ...common,
    approvers: field('strings', 'Approver groups; a member of any of them may vote.', true),
    quorum: field('count', 'Votes needed. Default 1.'),
    decide_within: field('seconds', 'Seconds that people have. Default: the configuration’s.'),
    risk: field('text', 'One word or sentence for the approver.'),
    ask_reason: field('boolean', 'The approver must say why. Default false.'),
    only_if_allowed: field('boolean', 'Tightens an allow and grants nothing. Default false.'),
    opaque,
    reveals,
    steps: field('unsupported', 'Approvals in an order.'),
    grant: field('unsupported', 'Approvals that last for minutes.'),
  },
  allow: { ...common, opaque, reveals },
  mask: {
    ...common,
    fields: field(
      'strings',
      'Paths into each object: `data.*`, `spec.containers[*].env[*].value`.',
    ),
    where: field('where', '`labels`, `annotations`, `names`: which objects. Default all.'),
    patterns: field('strings', 'Regular expressions for text streams.'),
  },
  record: { ...common, level: field('level', '`metadata`, `request` or `full`.', true) },
} as const satisfies Record<string, Record<string, ElementField>>;

/** The placeholders that the gateway fills in `reason` and `instead`. */
export const placeholders = [
  'request.name',
  'request.namespace',
  'request.resource',
  'user.username',
] as const;
export type Placeholder = (typeof placeholders)[number];

export const PLACEHOLDER = /\{([^{}]*)\}/g;

export const recordLevels = ['metadata', 'request', 'full'] as const;
