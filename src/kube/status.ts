import { errorRegistry, type Refusal } from '../base/errors.ts';

/** metav1.Status (apimachinery pkg/apis/meta/v1/types.go), failure only. */
export type Status = {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Failure';
  readonly message: string;
  readonly reason: string;
  readonly details: {
    readonly causes: readonly {
      readonly reason: string;
      readonly message: string;
      readonly field?: string;
    }[];
  };
  readonly code: number;
};

/** Characters that a terminal would act on: names in a message may come from an attacker. Line feeds stay. */
const CONTROL = /(?!\n)[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

const visible = (text: string): string =>
  text.replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const withFullStop = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/**
 * The message: what was wrong, what to do, the code, the approval, the Audit-ID. All of it stands here because kubectl
 * prints neither details nor causes of a Forbidden. What the cluster itself said is passed on in its own words.
 */
function messageOf(refused: Refusal, requestId: string): string {
  if (refused.asCluster !== undefined) return visible(refused.message);
  const approval = refused.approvalId === undefined ? '' : `, approval ${refused.approvalId}`;
  const { fix } = errorRegistry[refused.code];
  const said = withFullStop(visible(refused.message));
  return `${said} ${fix} (${refused.code}${approval}, Audit-ID ${requestId})`;
}

/**
 * The code first, for programs. Not where the cluster's own words are passed on: for reason Invalid kubectl prints the
 * causes instead of the message.
 */
function causesOf(refused: Refusal): Status['details']['causes'] {
  const causes = (refused.causes ?? []).map((cause) => ({
    ...cause,
    message: visible(cause.message),
  }));
  if (refused.asCluster !== undefined) return causes;
  return [{ reason: refused.code, message: visible(refused.message) }, ...causes];
}

/** A refusal as metav1.Status. There is no `retryAfterSeconds`: clients would repeat the call. */
export function statusObject(refused: Refusal, requestId: string): Status {
  const entry = errorRegistry[refused.code];
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: messageOf(refused, requestId),
    reason: refused.asCluster?.reason ?? entry.reason,
    details: { causes: causesOf(refused) },
    code: refused.asCluster?.http ?? entry.http,
  };
}

/** RFC 9110 §5.5: a field value holds no control characters; quotes would end the quoted text. */
const headerText = (text: string): string =>
  text
    .replace(/[^ -~]/g, '?')
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .slice(0, 500);

/**
 * The one function that turns a refusal into an answer: HTTP status, headers and body. Never 2xx, never Retry-After
 * (client-go would repeat the call). The code and the approval id are headers too, for programs that see no body.
 * A 401 carries WWW-Authenticate, with an error only where a token was sent (RFC 6750 §3.1); every refusal of a caller's
 * credentials carries a Warning, which kubectl prints even where it drops the Status, as in discovery (measured).
 */
export function statusOf(
  refused: Refusal,
  requestId: string,
): {
  readonly http: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
} {
  const status = statusObject(refused, requestId);
  const body = refused.asCluster?.body ?? Buffer.from(`${JSON.stringify(status)}\n`);
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
    ['cache-control', 'no-cache, private'],
  ];
  headers.push(['holdgate-code', refused.code]);
  if (refused.approvalId !== undefined)
    headers.push(['holdgate-approval', headerText(refused.approvalId)]);
  if (status.code === 401) {
    const sentNone = refused.code === 'HOLDGATE_IDENTIFY_TOKEN_MISSING';
    headers.push(['www-authenticate', sentNone ? 'Bearer' : 'Bearer error="invalid_token"']);
  }
  if (refused.code.startsWith('HOLDGATE_IDENTIFY_'))
    headers.push(['warning', `299 - "holdgate: ${headerText(status.message)}"`]);
  return { http: status.code, headers, body };
}

/** An ERROR event: how a watch that is under way learns why it ends. One line. */
export const watchError = (refused: Refusal, requestId: string): Buffer =>
  Buffer.from(`${JSON.stringify({ type: 'ERROR', object: statusObject(refused, requestId) })}\n`);
