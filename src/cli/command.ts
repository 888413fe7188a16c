import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Environment } from '../config/index.ts';

/** What a command may touch beside its arguments. */
export type Io = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Resolves when what was written to `out` was taken; absent where that is at once. */
  readonly drained?: () => Promise<void>;
  readonly env: Environment;
  /** Aborted on SIGINT and SIGTERM: long-running commands end then. */
  readonly stop: AbortSignal;
  /** Runs `run` at each SIGHUP, which ends the process otherwise. */
  readonly onHangup: (run: () => void) => void;
};

/** Exit codes, the same for every command. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole help text, without the name line. */
  readonly help: string;
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
};

/** A failure whose message is all that the user needs: printed as one line, never with a stack. */
export class CommandError extends Error {
  readonly code: number;

  constructor(message: string, code: number = exitCodes.failed) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
  }
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Parses arguments; what does not fit is a usage error that names the option. */
export function parse<const Wanted extends Options>(
  args: readonly string[],
  options: Wanted,
  positionals: { readonly min: number; readonly max: number } = { min: 0, max: 0 },
) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    const { length } = parsed.positionals;
    if (length < positionals.min) throw new CommandError('an argument is missing', exitCodes.usage);
    if (length > positionals.max) {
      const extra = parsed.positionals[positionals.max] ?? '';
      throw new CommandError(`"${extra}" is one argument too many`, exitCodes.usage);
    }
    return parsed;
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(cause instanceof Error ? cause.message : String(cause), exitCodes.usage);
  }
}
