import type { HttpBindings } from '@hono/node-server';
import { createRoute, type OpenAPIHono, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Identity } from '../identify/index.ts';
import type { SessionStore } from '../store/index.ts';
import { idParameter, statusBody } from './schemas.ts';
import {
  commandPage,
  commandQuery,
  sessionDetail,
  sessionPage,
  sessionQuery,
} from './session-schemas.ts';

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
});

const refused = {
  400: json(statusBody, 'A parameter has the wrong form, or the search takes too long.'),
  401: json(statusBody, 'No valid token of a person.'),
  403: json(statusBody, 'The person has no role that may do this.'),
  404: json(statusBody, 'There is no such thing.'),
  503: json(statusBody, 'The database is down.'),
};

const security = [{ oidc: [] }];
const description =
  'Roles viewer, auditor. Made from the record a moment after it: what decides a dispute is the decision.';

const listSessions = createRoute({
  method: 'get',
  path: '/api/v1/sessions',
  summary: 'Lists sessions, newest first',
  description,
  security,
  request: { query: sessionQuery },
  responses: { 200: json(sessionPage, 'A page of sessions.'), ...refused },
});

const showSession = createRoute({
  method: 'get',
  path: '/api/v1/sessions/{id}',
  summary: 'Shows a session and the streams in it',
  description,
  security,
  request: { params: idParameter },
  responses: { 200: json(sessionDetail, 'The session.'), ...refused },
});

const listCommands = createRoute({
  method: 'get',
  path: '/api/v1/commands',
  summary: 'Lists requests as command lines',
  description: `${description} A page may be short and still have a cursor.`,
  security,
  request: { query: commandQuery },
  responses: { 200: json(commandPage, 'A page of commands.'), ...refused },
});

type Env = { Bindings: HttpBindings; Variables: { person: Identity } };

/** What the people's port lends its routes. */
type Means = {
  /** Throws the refusal of a person who may not read. */
  readonly mayRead: (context: Context<Env>) => void;
  readonly valueOf: <T>(result: Result<T, Refusal>) => T;
  readonly answer: (body: object) => never;
};

/** Sessions, and the search over commands. */
export function sessionRoutes(
  app: OpenAPIHono<Env>,
  sessions: SessionStore,
  { mayRead, valueOf, answer }: Means,
): void {
  app.openapi(listSessions, async (context) => {
    mayRead(context);
    const { limit, cursor, user, ...rest } = context.req.valid('query');
    const page = valueOf(
      await sessions.list(definedOnly({ ...rest, username: user }), { limit, cursor }),
    );
    return answer({ items: page.rows, cursor: page.next });
  });
  app.openapi(showSession, async (context) => {
    mayRead(context);
    const detail = await sessions.show(context.req.valid('param').id);
    return answer(valueOf(detail === null ? err(noSuchSession()) : ok(detail)));
  });
  app.openapi(listCommands, async (context) => {
    mayRead(context);
    const { limit, cursor, order, user, command, match, folded, ...rest } =
      context.req.valid('query');
    const filter = definedOnly({
      ...rest,
      username: user,
      folded: folded === 'true',
      command: command === undefined ? undefined : { match, text: command },
    });
    const page = valueOf(await sessions.commands(filter, { limit, cursor, order }));
    return answer({ items: page.rows, cursor: page.next });
  });
}

const noSuchSession = (): Refusal =>
  refusal('HOLDGATE_RECORD_UNKNOWN', 'there is no session with this id');

type DefinedOnly<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the keys that are undefined: exactOptionalPropertyTypes tells the two apart. */
function definedOnly<T extends object>(values: T): DefinedOnly<T> {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys, without the undefined ones
  return Object.fromEntries(pairs) as DefinedOnly<T>;
}
