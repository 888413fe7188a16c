import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { safeText } from './output.ts';

const lineSchema = z.looseObject({
  time: z.string(),
  level: z.string(),
  message: z.string(),
});

const requestSchema = z.object({
  username: z.string(),
  verb: z.string(),
  resource: z.string(),
  namespace: z.string(),
  name: z.string(),
  verdict: z.string(),
  rules: z.array(z.string()),
  status: z.number(),
});

/** One log line for a person who watches: requests on resources, warnings and errors; nothing else. */
export function humanLine(line: string): string | null {
  const parsed = lineSchema.safeParse(JSON.parse(line));
  if (!parsed.success) return null;
  const { time, level, message } = parsed.data;
  const at = time.slice(11, 19);
  const request = message === 'request' ? requestSchema.safeParse(parsed.data) : null;
  if (request?.success === true) {
    const { username, verb, resource, namespace, name, verdict, rules, status } = request.data;
    // Discovery is dozens of lines a command, and on record all the same.
    if (resource === '' && status < 400) return null;
    const what = [verb, resource, name, namespace === '' ? '' : `-n ${namespace}`].filter(
      (part) => part !== '',
    );
    const why = rules.length === 0 ? '' : `  (${rules.join(', ')})`;
    return safeText(`${at}  ${verdict.padEnd(5)}  ${what.join(' ')}  ${status}  ${username}${why}`);
  }
  if (level !== 'error' && level !== 'warn') return null;
  const { cause, problem } = parsed.data;
  const more = [cause, problem].filter((text) => typeof text === 'string').join(' ');
  return safeText(`${at}  ${level}  ${message} ${more}`);
}

/** Writes log lines to a file, and the ones for people to the terminal. */
export function startLog(file: string, out: (text: string) => void): (line: string) => void {
  return (line) => {
    appendFileSync(file, line, { mode: 0o600 });
    const human = humanLine(line);
    if (human !== null) out(`${human}\n`);
  };
}
