import { inspect } from 'node:util';
import { isoTime } from './clock.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** What a log line carries beside its message: flat, without bodies and without credentials. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A logger that writes one JSON object a line. */
export type Log = {
  readonly error: (message: string, fields?: LogFields) => void;
  readonly warn: (message: string, fields?: LogFields) => void;
  readonly info: (message: string, fields?: LogFields) => void;
  readonly debug: (message: string, fields?: LogFields) => void;
};

const RANK: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };

/** The text of anything that was thrown: opa-wasm and some drivers throw strings and bare objects. */
export function errorText(cause: unknown): string {
  if (cause instanceof Error) return cause.message;
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 2, breakLength: Infinity });
}

/**
 * Makes a logger that drops lines below `level` and hands each line, with its newline, to `write`; errors as urgent,
 * because the process may end with them. An `Error` among the fields is written as its message, and its stack at level debug only.
 */
export function createLog(
  level: LogLevel,
  write: (line: string, isUrgent: boolean) => void,
  nowMs: () => number = Date.now,
): Log {
  const at =
    (lineLevel: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (RANK[lineLevel] > RANK[level]) return;
      const time = isoTime(nowMs());
      const line = { time, level: lineLevel, message, ...withoutErrors(fields, level) };
      write(`${JSON.stringify(line)}\n`, lineLevel === 'error');
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Errors as texts. Most lines have none, and are written as they are. */
function withoutErrors(fields: LogFields, level: LogLevel): LogFields {
  if (!Object.values(fields).some((value) => value instanceof Error)) return fields;
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    plain[name] = value instanceof Error ? errorText(value) : value;
    if (value instanceof Error && level === 'debug') plain[`${name}_stack`] = value.stack;
  }
  return plain;
}

/** A logger that says nothing: for tests and for commands whose output is their answer. */
export const silentLog: Log = createLog('error', () => {});
