import { z } from 'zod';
import { isLoopbackHost, trustedUrlProblem } from '../base/loopback.ts';
import { seconds } from './seconds.ts';
import { secretSource } from './secret-source.ts';

/** A URL that the record may go to: https, or http on the machine itself. */
const sinkUrl = (description: string) =>
  z
    .url()
    .refine((text) => trustedUrlProblem(text) === null, {
      error: (issue) => trustedUrlProblem(String(issue.input)) ?? '',
    })
    .describe(description);

/** A syslog server: TLS, or plain TCP on the machine itself, where nobody is on the way. */
function syslogUrlProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) return 'is no URL';
  if (url.protocol !== 'tls:' && !(url.protocol === 'tcp:' && isLoopbackHost(url.hostname))) {
    return 'must be a tls URL (tcp is taken for loopback addresses only)';
  }
  if (url.hostname === '') return 'must name a host';
  const rest = [url.username, url.password, url.search, url.hash].join('');
  return rest === '' && ['', '/'].includes(url.pathname) ? null : 'must be a host and a port only';
}

const common = {
  name: z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower-case letters, digits and dashes')
    .describe(
      'The name of the sink, each once. How far it came is kept under it: a new name begins anew.',
    ),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .describe(
      'RFC 3339: a new sink begins with what was recorded then. Default: with the first record.',
    ),
  timeoutSeconds: seconds(10, 'How long a delivery may take; 1 to 60.').refine(
    (value) => value >= 1 && value <= 60,
    '1 to 60',
  ),
};

const certificateAuthority = z
  .string()
  .optional()
  .describe("PEM file of the server's CA. Default: the system's CAs.");

const settleSeconds = seconds(
  60,
  'How long a decision without an outcome is waited for, at most 3600; only where a sink sends decisions.',
).refine((value) => value <= 3600, 'at most 3600');

const webhook = z.strictObject({
  kind: z.literal('webhook').describe('HTTP POST, signed as Standard Webhooks does.'),
  ...common,
  url: sinkUrl('https URL, or http on loopback. Redirects are not followed.'),
  certificateAuthority,
  secret: secretSource.describe(
    '`whsec_` and 24 to 64 bytes in base64; several with white space between them while one replaces another.',
  ),
  format: z
    .enum(['records', 'ndjson', 'opa', 'audit', 'ocsf'])
    .default('records')
    .describe(
      'As `holdgate export` writes it: `records` is every record, the others are each decision with its outcome. Default records.',
    ),
  body: z
    .enum(['ndjson', 'array'])
    .default('ndjson')
    .describe('A JSON document a line, or one JSON array. Default ndjson.'),
  settleSeconds,
});

const syslog = z.strictObject({
  kind: z.literal('syslog').describe('RFC 5424 messages over TLS (RFC 5425): every record.'),
  ...common,
  url: z
    .url()
    .refine((text) => syslogUrlProblem(text) === null, {
      error: (issue) => syslogUrlProblem(String(issue.input)) ?? '',
    })
    .describe('tls://host:port, or tcp://host:port on loopback. Default port 6514; tcp: 601.'),
  certificateAuthority,
  tlsServerName: z
    .string()
    .optional()
    .describe("Name to expect in the certificate, if not the URL's."),
  clientCertificate: z
    .strictObject({
      certificateFile: z.string().describe('PEM chain, leaf first.'),
      keyFile: z.string().describe('PEM private key.'),
    })
    .optional()
    .describe('By which the server knows this gateway; read for each delivery.'),
  facility: z
    .int()
    .min(0)
    .max(23)
    .default(13)
    .describe('The facility of RFC 5424. Default 13, log audit.'),
  structuredDataId: z
    .string()
    .max(32)
    .regex(/^[A-Za-z0-9._-]+@\d+(\.\d+)*$/, 'must be name@number')
    .default('holdgate@32473')
    .describe(
      'The id of the structured data: a name and your private enterprise number. Default holdgate@32473, the number that RFC 5612 keeps for examples: Holdgate has none.',
    ),
  messageBytesMax: z
    .int()
    .min(2048)
    .max(65_536)
    .default(8192)
    .describe('Bytes of one message; longer ones are cut and say so. Default 8192.'),
});

const otlp = z.strictObject({
  kind: z.literal('otlp').describe('OpenTelemetry logs, OTLP/HTTP in JSON: every record.'),
  ...common,
  url: sinkUrl('Base URL of the collector; /v1/logs is put behind it.'),
  certificateAuthority,
  token: secretSource.optional().describe('Sent as a bearer token.'),
  resourceAttributes: z
    .record(z.string().max(128), z.string().max(1024))
    .default({})
    .describe('Attributes of the resource, beside service.name: holdgate.'),
});

const opa = z.strictObject({
  kind: z
    .literal('opa')
    .describe("A service that takes OPA's decision logs: each decision with its outcome."),
  ...common,
  url: sinkUrl("The service's URL, as in OPA's `services`; /logs is put behind it."),
  certificateAuthority,
  token: secretSource.optional().describe('Sent as a bearer token.'),
  settleSeconds,
});

/** Somewhere the record is pushed to. */
export const sinkSchema = z.union([webhook, syslog, otlp, opa]);

export type SinkConfig = z.infer<typeof sinkSchema>;
