import { err, ok, type Result } from '../../base/result.ts';
import type { ExportedRow } from '../export/exported.ts';
import { failureOf, postTo, underUrl, type HttpServer } from './http-post.ts';
import { leafFacts, type Severity } from './leaf-facts.ts';
import { delivered, mayPass, type Delivered, type Sink } from './sink.ts';

export type OtlpOptions = {
  readonly name: string;
  /** Its URL is the base URL of the collector: `/v1/logs` is put behind it. */
  readonly server: () => Result<HttpServer, string>;
  /** Attributes of the resource beside `service.name`. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
};

/** SeverityNumber and its text (opentelemetry.io/docs/specs/otel/logs/data-model): NOTICE is INFO2 there. */
const severities: Readonly<Record<Severity, readonly [number, string]>> = {
  info: [9, 'INFO'],
  notice: [10, 'INFO2'],
  warning: [13, 'WARN'],
  error: [17, 'ERROR'],
};

/** What OTLP/HTTP says may be sent again; every other 4xx and 5xx must not be (opentelemetry.io/docs/specs/otlp). */
const retriedStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * OTLP/HTTP logs in JSON (ExportLogsServiceRequest): a log record for each leaf, its body the leaf byte for byte. There is no
 * trace: `traceId` is empty. What a collector takes and throws away (partial success) is counted, and not sent again.
 */
export function otlpSink({ name, server, resourceAttributes }: OtlpOptions): Sink {
  const resource = attributes([
    ['service.name', 'holdgate'],
    ...Object.entries(resourceAttributes).filter(([key]) => key !== 'service.name'),
  ]);
  const head = `{"resourceLogs":[{"resource":{"attributes":${JSON.stringify(resource)}},"scopeLogs":[{"scope":{"name":"holdgate/record"},"logRecords":[`;
  return {
    name,
    rows: 'leaves',
    write: logRecord,
    deliver: async (batch, signal) => {
      const known = server();
      if (!known.ok) return err(mayPass(known.error));
      const url = underUrl(known.value.url, '/v1/logs');
      const body = Buffer.from(`${head}${batch.map(({ text }) => text).join(',')}]}]}]}`);
      const headers = { 'content-type': 'application/json' };
      const answer = await postTo({ ...known.value, url }, headers, body, signal);
      if (!answer.ok) return answer;
      const isRefusal = (status: number): boolean => status >= 400 && !retriedStatuses.has(status);
      const failure = failureOf(url, answer.value, isRefusal);
      return failure === null ? ok(partialSuccess(answer.value.body)) : err(failure);
    },
  };
}

function logRecord({ leaf }: ExportedRow): string {
  const { stream, seq, ts, kind, severity, fields } = leafFacts(leaf);
  const [severityNumber, severityText] = severities[severity];
  const timeUnixNano = `${Date.parse(ts)}000000`;
  return JSON.stringify({
    timeUnixNano,
    observedTimeUnixNano: timeUnixNano,
    severityNumber,
    severityText,
    eventName: `holdgate.${kind}`,
    body: { stringValue: leaf },
    attributes: [
      ...attributes([
        ['holdgate.kind', kind],
        ['holdgate.stream', stream],
      ]),
      // 64-bit integers are decimal strings in protobuf's JSON.
      { key: 'holdgate.seq', value: { intValue: String(seq) } },
      ...attributes(fields.map(([key, value]) => [`holdgate.${key}`, value] as const)),
    ],
    traceId: '',
    spanId: '',
  });
}

const attributes = (pairs: readonly (readonly [key: string, value: string])[]) =>
  pairs.map(([key, value]) => ({ key, value: { stringValue: value } }));

/** How many records a collector rejected, by its own word. An answer without one, or that is none, took everything. */
function partialSuccess(body: string): Delivered {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return delivered;
  }
  const partial = memberOf(answer, 'partialSuccess');
  const rejected = Number(memberOf(partial, 'rejectedLogRecords'));
  const message = memberOf(partial, 'errorMessage');
  const detail = typeof message === 'string' ? message.slice(0, messageCharsMax) : '';
  return { rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0, detail };
}

/** What is kept of a collector's own words. */
const messageCharsMax = 512;

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
