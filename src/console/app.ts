import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { stream } from 'hono/streaming';
import { DependencyError, refusal, type Refusal } from '../base/errors.ts';
import { errorText, type Log } from '../base/log.ts';
import { statusOf } from '../kube/status.ts';
import type { RoleName } from '../config/index.ts';
import type { Identity } from '../identify/index.ts';
import type { DecisionFilter } from '../store/index.ts';
import { exportAnswer } from './export-answer.ts';
import type { ConsolePorts } from './ports.ts';
import { evidenceScope } from './evidence-scope.ts';
import * as routes from './routes.ts';
import { sessionRoutes } from './session-routes.ts';

/**
 * A JSON answer. The routes' types compare bodies field by field with what JSON makes of them, which our own types
 * (dates as text, unknown claims) cannot show; the tests hold answers against the schemas instead.
 */
function answer(body: object, status = 200): never {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above: one place for all routes
  return Response.json(body, { status }) as never;
}

/** Requests of people are small. Bytes. */
const bodyBytesMax = 64 * 1024;

type Env = { Bindings: HttpBindings; Variables: { person: Identity } };
type App = OpenAPIHono<Env>;

/** A refusal on its way out of a handler: the one place that answers it is `onError`. */
class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refused: Refusal) {
    super(refused.message);
    this.refusal = refused;
  }
}

function valueOf<T>(result: { ok: true; value: T } | { ok: false; error: Refusal }): T {
  if (result.ok) return result.value;
  throw new Refused(result.error);
}

const READERS: readonly RoleName[] = ['viewer', 'auditor'];
const APPROVAL_READERS: readonly RoleName[] = ['approver', 'viewer', 'auditor'];

/** The people's port: REST API, health, metrics. Every answer that is a refusal is a Status. */
export function createPeopleApp(ports: ConsolePorts): App {
  const app: App = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const where = issue === undefined ? '' : issue.path.join('.');
      throw new Refused(
        refusal('HOLDGATE_CONSOLE_REQUEST_INVALID', `${where}: ${issue?.message ?? 'invalid'}`),
      );
    },
  });
  app.use(secureHeaders());
  app.use(async (context, next) => {
    await next();
    context.header('cache-control', 'no-store');
  });
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: () => {
        throw new Refused(
          refusal(
            'HOLDGATE_CONSOLE_REQUEST_INVALID',
            `the body is larger than ${bodyBytesMax} bytes`,
          ),
        );
      },
    }),
  );
  app.onError((cause, context) => answerFailure(cause, context, ports));
  app.notFound(() => {
    throw new Refused(refusal('HOLDGATE_CONSOLE_NOT_FOUND', 'there is no such page'));
  });

  openRoutes(app, ports);
  app.use('/api/*', async (context, next) => {
    const person = valueOf(await ports.identifyPerson(context.env.incoming.rawHeaders));
    context.set('person', person);
    await next();
  });
  decisionRoutes(app, ports);
  approvalRoutes(app, ports);
  const mayRead = (context: Context<Env>): void =>
    void valueOf(ports.requireRole(context.get('person'), READERS));
  sessionRoutes(app, ports.sessions, { mayRead, valueOf, answer });
  evidenceRoutes(app, ports);
  app.openAPIRegistry.registerComponent('securitySchemes', 'oidc', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
  });
  app.doc31('/openapi.json', { openapi: '3.1.0', info: { title: 'Holdgate', version: 'v1' } });
  return app;
}

function answerFailure(cause: unknown, context: Context, ports: ConsolePorts): Response {
  let refused: Refusal;
  if (cause instanceof Refused) refused = cause.refusal;
  else if (cause instanceof DependencyError) refused = refusal(cause.code, cause.message);
  else {
    ports.log.error("the people's port failed", {
      path: context.req.path,
      cause: errorText(cause),
    });
    refused = refusal('HOLDGATE_LISTEN_FAILED', 'the gateway failed while it served this request');
  }
  const status = statusOf(refused, ports.nextId());
  return new Response(new Uint8Array(status.body), {
    status: status.http,
    headers: status.headers.map(([name, value]): [string, string] => [name, value]),
  });
}

/** What needs no token: it says nothing of anybody. */
function openRoutes(app: App, ports: ConsolePorts): void {
  app.get('/healthz', (context) => context.text('ok'));
  app.openapi(routes.readiness, () => {
    const parts = ports.readiness().map((part) => ({ ...part }));
    const ready = parts.every((part) => part.ready);
    return answer({ ready, parts }, ready ? 200 : 503);
  });
  app.get('/metrics', async () => {
    const { contentType, text } = await ports.metrics();
    return new Response(text, { headers: { 'content-type': contentType } });
  });
  for (const [path, document] of ports.documents) app.get(path, () => Response.json(document));
}

function decisionRoutes(app: App, ports: ConsolePorts): void {
  const require = (context: Context<Env>, roles: readonly RoleName[]): void => {
    valueOf(ports.requireRole(context.get('person'), roles));
  };
  app.openapi(routes.listDecisions, async (context) => {
    require(context, READERS);
    const { limit, cursor, user, ...rest } = context.req.valid('query');
    const filter: DecisionFilter = definedOnly({ ...rest, username: user });
    if (context.req.header('accept')?.includes('application/x-ndjson') === true) {
      return ndjson(context, ports, filter);
    }
    const page = valueOf(await ports.decisions.list(filter, { limit, cursor }));
    return answer({ items: page.rows.map((row) => ({ ...row })), cursor: page.next });
  });
  // Before the route of one decision, or `export` would be taken for an id.
  app.openapi(routes.exportDecisions, async (context) => {
    require(context, ['auditor']);
    return valueOf(await exportAnswer(ports.exports, context.req.valid('query')));
  });
  app.openapi(routes.showDecision, async (context) => {
    require(context, READERS);
    const detail = await ports.decisions.show(context.req.valid('param').id);
    if (detail === null) throw new Refused(noSuchDecision());
    return answer({ ...detail });
  });
  app.openapi(routes.explainDecision, async (context) => {
    require(context, ['auditor']);
    const detail = await ports.decisions.show(context.req.valid('param').id);
    if (detail === null) throw new Refused(noSuchDecision());
    const { verdict, because, mask, record, policy } = detail.decision;
    const said = [...because, ...mask, ...record];
    const places =
      policy === null || policy.sources === ''
        ? []
        : await ports.locate(policy.sources, said).then((found) => (found.ok ? found.value : []));
    const elements = said.map(({ rule, id, reason }) => ({
      rule,
      id,
      reason,
      places: places
        .filter((place) => place.rule === rule && place.id === id)
        .map(({ file, line }) => ({ file, line })),
    }));
    return answer({ verdict, elements });
  });
}

const noSuchDecision = (): Refusal =>
  refusal('HOLDGATE_RECORD_UNKNOWN', 'there is no decision with this id');

/** Without the keys that are undefined: exactOptionalPropertyTypes tells the two apart. */
function definedOnly(values: Readonly<Record<string, unknown>>): DecisionFilter {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Rows as they are read, one a line; the client's pace is the database's. */
function ndjson(context: Context, ports: ConsolePorts, filter: DecisionFilter): never {
  const rows = stream(context, async (out) => {
    for await (const row of ports.decisions.stream(filter)) {
      if (out.aborted) return;
      await out.write(`${JSON.stringify(row)}\n`);
    }
  });
  rows.headers.set('content-type', 'application/x-ndjson');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the route's type knows only its JSON answer
  return rows as never;
}

function approvalRoutes(app: App, ports: ConsolePorts): void {
  const require = (context: Context<Env>, roles: readonly RoleName[]): void => {
    valueOf(ports.requireRole(context.get('person'), roles));
  };
  app.openapi(routes.listApprovals, async (context) => {
    require(context, APPROVAL_READERS);
    const { state, limit, before } = context.req.valid('query');
    const filter = {
      limit,
      ...(state === undefined ? {} : { states: [state] }),
      ...(before === undefined ? {} : { before }),
    };
    const items = await ports.approvals.list(filter);
    return answer({ items: items.map((item) => ({ ...item })) });
  });
  app.openapi(routes.showApproval, async (context) => {
    require(context, APPROVAL_READERS);
    const approval = await ports.approvals.show(context.req.valid('param').id);
    if (approval === null)
      throw new Refused(refusal('HOLDGATE_HOLD_UNKNOWN', 'there is no approval with this id'));
    return answer({ ...approval });
  });
  const vote = async (
    context: Context<Env>,
    id: string,
    kind: 'approve' | 'deny',
    ballot: { reason: string; version: number | null },
  ) => {
    require(context, ['approver']);
    const { issuer, subject, username, actor } = context.get('person');
    const by = { issuer, subject, username, actor };
    return valueOf(await ports.approvals.vote(id, { by, vote: kind, ...ballot }));
  };
  app.openapi(routes.approve, async (context) => {
    const approval = await vote(
      context,
      context.req.valid('param').id,
      'approve',
      context.req.valid('json'),
    );
    return answer({ ...approval });
  });
  app.openapi(routes.deny, async (context) => {
    const approval = await vote(
      context,
      context.req.valid('param').id,
      'deny',
      context.req.valid('json'),
    );
    return answer({ ...approval });
  });
}

function evidenceRoutes(app: App, ports: ConsolePorts): void {
  app.openapi(routes.exportEvidence, async (context) => {
    const person = context.get('person');
    valueOf(ports.requireRole(person, ['auditor']));
    const { issuer, subject, username } = person;
    const scope = evidenceScope(context.req.valid('query'));
    const bundle = valueOf(await ports.evidence.open(scope, { issuer, subject, username }));
    const body = new Response(bytesOf(bundle, ports.log));
    body.headers.set('content-type', 'application/x-tar');
    return body;
  });
}

/** Pieces as an answer's body: made as they are read. Where they break off, so does the answer. */
function bytesOf(pieces: AsyncGenerator<Buffer, void, void>, log: Log): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const next = await pieces.next();
        if (next.done === true) controller.close();
        else controller.enqueue(new Uint8Array(next.value));
      } catch (cause) {
        log.error('an evidence bundle broke off', { cause: errorText(cause) });
        throw cause;
      }
    },
    cancel: async () => {
      await pieces.return();
    },
  });
}
