import { Hono } from 'hono';

/** What the protected resource metadata says (RFC 9728 §2). */
export type MetadataFacts = {
  /** The data port's own URL. */
  readonly resource: () => string;
  readonly issuers: readonly string[];
};

/** The data port's own documents: who may issue tokens for it. Open to everybody, as RFC 9728 §3 wants it. */
export function metadataApp(facts: MetadataFacts): Hono {
  const app = new Hono();
  const document = () => ({
    resource: facts.resource(),
    authorization_servers: facts.issuers,
    bearer_methods_supported: ['header'],
  });
  app.get('/.well-known/oauth-protected-resource', (context) => context.json(document()));
  app.get('/.well-known/oauth-protected-resource/*', (context) => context.json(document()));
  return app;
}

/** True for targets that the metadata app serves. The exact bytes: no decoding, no normalising. */
export const isMetadataTarget = (method: string, target: string): boolean =>
  method === 'GET' &&
  /^\/\.well-known\/oauth-protected-resource(?:\/[A-Za-z0-9/._-]*)?$/.test(target);
