import { z } from 'zod';
import { policyVerbs } from '../kube/request.ts';

/**
 * The policy's input: one zod type, from which the types, the JSON schema for `opa check` and `docs/policies.md` come.
 * Every key is always present. Each description says what the field holds, who could have written it, and when it is
 * null or empty.
 */
const text = (description: string) => z.string().describe(description);
const flag = (description: string) => z.boolean().describe(description);
const free = (description: string) => z.unknown().describe(description);

export const policyInputSchema = z.strictObject({
  now: text("The gateway's time, RFC 3339, UTC. Trusted. The only clock a policy has."),
  cluster: z
    .strictObject({
      name: text('The configured cluster name. Trusted.'),
      labels: z
        .record(z.string(), z.string())
        .describe('The configured labels of the cluster. Trusted. May lack any key.'),
    })
    .describe('The cluster that the request is for.'),
  user: z
    .strictObject({
      issuer: text("The token's issuer. Verified."),
      subject: text("The token's subject; unique within the issuer. Verified."),
      username: text('The mapped user name. Verified, never `system:…`.'),
      uid: text('The mapped uid; empty where none is mapped.'),
      groups: z.array(z.string()).describe('The mapped groups. Verified; may be empty.'),
      groups_complete: z
        .boolean()
        .describe('False when the token is known not to list every group.'),
      kind: z
        .enum(['agent', 'human', 'workload'])
        .describe("From the issuer's configuration. Trusted."),
      actor: z
        .array(
          z.strictObject({
            issuer: text('Who vouches for the actor.'),
            subject: text('The actor; unique within the issuer.'),
          }),
        )
        .describe(
          'Who acts for the subject (RFC 8693 `act`), current actor first. Verified; empty when nobody does.',
        ),
      claims: z
        .record(z.string(), z.unknown())
        .describe(
          'The claims that the configuration lets policy see. Free form: may lack any key.',
        ),
      token: z
        .strictObject({
          type: text('The `typ` header; may be empty.'),
          id: text('`jti`; may be empty.'),
          expires: text('RFC 3339.'),
          azp: text('The client that the token was made for; may be empty.'),
          acr: text('May be empty.'),
          amr: z.array(z.string()).describe('May be empty.'),
          auth_time: text('RFC 3339; empty where the token has none.'),
        })
        .describe('The token itself, without its signature. Verified.'),
      requested_impersonation: z.null().describe('Always null: impersonation headers are refused.'),
    })
    .describe('Who calls, as the verified token says.'),
  request: z
    .strictObject({
      scope: z.enum(['namespaced', 'cluster', 'nonresource']).describe('What the path addresses.'),
      verb: z
        .enum(policyVerbs)
        .describe(
          'The closed list of verbs; `connect` is exec, attach, portforward and proxy however they travel.',
        ),
      group: text('API group; empty for the core group and nonresource.'),
      version: text('API version; empty for nonresource.'),
      resource: text('As RBAC writes it: `pods`, `pods/exec`; empty for nonresource.'),
      kind: text("The object's kind, from the body; empty without a body."),
      namespace: text('Set only where scope is namespaced; empty for a list over all namespaces.'),
      name: text('From the path, the body (create) or a metadata.name selector; empty for lists.'),
      generate_name: text('metadata.generateName of a create; else empty.'),
      path: text('The decoded path.'),
      dry_run: z.boolean().describe('True when the server will not persist anything.'),
      label_selector: text('Raw; may be empty.'),
      field_selector: text('Raw; may be empty.'),
      options: z
        .record(z.string(), z.array(z.string()))
        .describe(
          'Every query parameter with its values, and effective delete options. May lack any key.',
        ),
      content_type: text(
        "The body's media type, lower case, without parameters; empty without a body.",
      ),
      body: z.enum(['none', 'parsed', 'opaque']).describe('Whether the body could be read.'),
      object: free(
        'What would be stored: the body of create and update, the dry-run answer of a patch. Null else. Free form, written by the caller.',
      ),
      patch: free('The body of a patch. Null else. Free form, written by the caller.'),
      exec: z
        .nullable(
          z.strictObject({
            command: z
              .array(z.string())
              .describe('The argv as sent; empty for attach. Written by the caller.'),
            container: text('The container; empty for the default one.'),
            stdin: flag('The caller can send input: argv does not say what will run.'),
            stdout: flag('The caller sees output.'),
            stderr: flag('The caller sees errors.'),
            tty: flag('A terminal: argv does not say what will run.'),
          }),
        )
        .describe('exec and attach; null else.'),
      log: z
        .nullable(
          z.strictObject({
            container: text('The container; empty for the default one.'),
            follow: flag('The log stays open.'),
            previous: flag('The log of the container before its last restart.'),
          }),
        )
        .describe('pods/log; null else.'),
      portforward: z
        .nullable(
          z.strictObject({
            ports: z
              .array(z.number())
              .describe(
                'The ports named in the query: then no other can be opened. Empty where it names none, as in a port-forward of kubectl: then any port may be opened, so empty is not harmless.',
              ),
          }),
        )
        .describe('pods/portforward; null else.'),
      wire: z
        .strictObject({
          method: text('The HTTP method.'),
          verb: text("RequestInfo's own verb."),
        })
        .describe('What travelled, where it differs from what is meant.'),
    })
    .describe('What is asked for, as the API server would understand it.'),
  live: free(
    "The object as it is now; null unless a rule's `fetch` asked for it, or where it does not exist.",
  ),
  grants: z
    .array(
      z.strictObject({
        id: text('The approval.'),
        covers: z
          .array(
            z.strictObject({
              rule: text("The hold's rule, as in the decision."),
              id: text("The hold's id."),
            }),
          )
          .describe('The holds that it releases: exactly these.'),
        approvers: z.array(z.string()).describe('User names of those who agreed.'),
      }),
    )
    .describe('Approvals in force for exactly this request. Trusted; empty on the first decision.'),
  usage: z.record(z.string(), z.number()).describe('Reserved; empty.'),
  source_ip: text(
    "The address of the connection. It is a proxy's where one stands before the gateway.",
  ),
  claimed: z
    .strictObject({
      client: text('The User-Agent. May be empty.'),
      command: text('The command that kubectl says it runs. May be empty.'),
      task: text("The task in the client's URL. May be empty."),
      reason: text('Why, in the words of the caller. May be empty.'),
    })
    .describe(
      'What the client says of itself. Forgeable: for display and grouping, never for an allow.',
    ),
});

export type PolicyInput = z.infer<typeof policyInputSchema>;
