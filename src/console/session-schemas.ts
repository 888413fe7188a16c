import { z } from '@hono/zod-openapi';

const time = (what: string) =>
  z.iso
    .datetime({ offset: true })
    .optional()
    .openapi({ description: `${what}, RFC 3339.` });

const text = (what: string) => z.string().max(512).optional().openapi({ description: what });

const limit = z.coerce.number().int().min(1).max(500).default(50);
const cursor = text('Where the page begins: the cursor of the page before.');

/** Which sessions; every parameter narrows. */
export const sessionQuery = z.object({
  since: time('Something happened in it from this moment on'),
  until: time('It began before this moment'),
  user: text('The user name.'),
  group: text('A group of its tokens.'),
  cluster: text('The cluster.'),
  label: text('The sid of its tokens, or the task in its paths.'),
  limit,
  cursor,
});

/** Which commands; every parameter narrows. */
export const commandQuery = z.object({
  since: time('From this moment on'),
  until: time('Before this moment'),
  session: text('The id of a session.'),
  user: text('The user name.'),
  group: text('A group of the tokens of its session.'),
  cluster: text('The cluster.'),
  namespace: text('The namespace.'),
  verb: text('The verb that policy saw.'),
  resource: text('As RBAC writes it: pods/exec.'),
  verdict: z.enum(['allow', 'hold', 'deny']).optional(),
  rule: text('A rule, or one element of it: payments_pods/delete.'),
  command: z
    .string()
    .max(128)
    .optional()
    .openapi({ description: 'A pattern for the line, without case.' }),
  match: z.enum(['substring', 'glob', 'regex']).default('substring').openapi({
    description:
      'How command is meant: anywhere in the line; the whole line with * and ?; PostgreSQL’s regular expressions without back references and look-around.',
  }),
  folded: z
    .enum(['true', 'false'])
    .default('false')
    .openapi({ description: 'Also the requests that are shown with another one.' }),
  order: z.enum(['newest', 'oldest']).default('newest'),
  limit,
  cursor,
});

export const sessionItem = z
  .object({
    id: z.string(),
    basis: z.enum(['sid', 'task', 'client', 'stream']).openapi({
      description: 'What tells it from others; stream: an exec, attach or port-forward.',
    }),
    label: z.string(),
    parentId: z.string().nullable(),
    requestId: z.string().nullable(),
    user: z.object({ issuer: z.string(), subject: z.string(), username: z.string() }),
    groups: z.array(z.string()),
    cluster: z.string(),
    userAgent: z.string(),
    sourceIp: z.string(),
    startedAt: z.string(),
    lastAt: z.string(),
    requests: z.number(),
    facts: z.looseObject({}).nullable().openapi({ description: 'What passed in a stream.' }),
    incomplete: z.string().nullable().openapi({ description: 'Why not all of it is on record.' }),
  })
  .openapi('Session');

export const sessionPage = z
  .object({ items: z.array(sessionItem), cursor: z.string().nullable() })
  .openapi('SessionPage');

export const sessionDetail = z
  .object({ session: sessionItem, streams: z.array(sessionItem) })
  .openapi('SessionDetail');

export const commandItem = z
  .object({
    requestId: z.string(),
    sessionId: z.string(),
    commandId: z.string(),
    foldedInto: z.string().nullable(),
    fold: z.string().nullable(),
    folded: z.record(z.string(), z.number()),
    at: z.string(),
    cluster: z.string(),
    username: z.string(),
    verb: z.string(),
    resource: z.string(),
    namespace: z.string(),
    name: z.string(),
    verdict: z.enum(['allow', 'hold', 'deny']),
    rules: z.array(z.string()),
    masked: z.boolean(),
    code: z.string().nullable(),
    approval: z
      .object({
        id: z.string(),
        state: z.string(),
        votes: z.array(z.object({ username: z.string(), vote: z.string() })),
      })
      .nullable(),
    line: z.string().openapi({ description: 'At most 512 characters, safe for a terminal.' }),
    fidelity: z.enum(['header', 'inferred', 'raw']).openapi({
      description:
        'header: the client named the command and the request fits it; inferred: worked out from the request; raw: its path.',
    }),
    endedAt: z.string().nullable(),
    status: z.number().nullable(),
    exitCode: z.number().nullable(),
    incomplete: z.string().nullable(),
  })
  .openapi('Command');

export const commandPage = z
  .object({ items: z.array(commandItem), cursor: z.string().nullable() })
  .openapi('CommandPage');
