/** More of a header than this is cut before it reaches policy or a record. Characters. */
const headerValueLengthMax = 1024;

/**
 * The first value of a header in Node's flat raw list (name, value, name, value …), cut to 1,024 characters; empty
 * where the header is missing. Names are compared without case (RFC 9110 §5.1).
 */
export function headerValue(rawHeaders: readonly string[], name: string): string {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === name) {
      return (rawHeaders[at + 1] ?? '').slice(0, headerValueLengthMax);
    }
  }
  return '';
}
