import { z } from 'zod';

/**
 * What is read of an event of the API server's audit log (audit.k8s.io/v1 `Event`, k8s.io/apiserver pkg/apis/audit/v1). Bodies
 * are not looked at. Empty fields are left out there.
 */
export const auditEventSchema = z.object({
  auditID: z.string().min(1).max(256),
  stage: z.enum(['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic']),
  requestURI: z.string(),
  verb: z.string(),
  user: z.object({ username: z.string() }).catch({ username: '' }),
  objectRef: z
    .object({
      resource: z.string().optional(),
      subresource: z.string().optional(),
      namespace: z.string().optional(),
      name: z.string().optional(),
      apiGroup: z.string().optional(),
      apiVersion: z.string().optional(),
    })
    .optional(),
  responseStatus: z.object({ code: z.number().optional() }).optional(),
  requestReceivedTimestamp: z
    .string()
    .refine((time) => !Number.isNaN(Date.parse(time)), 'is no time'),
});

export type AuditEvent = z.infer<typeof auditEventSchema>;

/** True for the event that ends a request: a handler that panicked has one of stage Panic instead. */
export const isEnd = ({ stage }: Pick<AuditEvent, 'stage'>): boolean =>
  stage === 'ResponseComplete' || stage === 'Panic';

const SESSIONS = new Set(['exec', 'attach', 'portforward', 'proxy']);
const READS = new Set(['get', 'list', 'watch']);

/**
 * Whether a call changes something, opens something, or shows a secret: calls that must be on record one by one. Outside
 * the resources reads are discovery, version and health.
 */
export function isGrave({ verb, objectRef }: Pick<AuditEvent, 'verb' | 'objectRef'>): boolean {
  if (!READS.has(verb)) return verb !== 'head' && verb !== 'options';
  if (objectRef === undefined) return false;
  return objectRef.resource === 'secrets' || SESSIONS.has(objectRef.subresource ?? '');
}
