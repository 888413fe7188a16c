import { flushAtExit, GatheredLines } from '../base/gathered-lines.ts';
import { createLog, errorText } from '../base/log.ts';
import type { Config } from '../config/index.ts';
import { startGateway, StartError, type Gateway, type GatewayOptions } from '../gateway.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { configOf } from './gateway-file.ts';

/** Starts a gateway, telling failures of the start in one line each. */
export async function startOrFail(
  config: Config,
  io: Io,
  more: Pick<GatewayOptions, 'onFatal' | 'configFile' | 'acknowledgeRestored'>,
): Promise<Gateway> {
  const lines = new GatheredLines({ write: io.err });
  flushAtExit(lines);
  const log = createLog(config.logLevel, lines.write);
  try {
    const gateway = await startGateway(config, { env: io.env, log, ...more });
    log.info('ready', { data: gateway.dataUrl, people: gateway.peopleUrl });
    return gateway;
  } catch (cause) {
    if (cause instanceof StartError) throw new CommandError(cause.message);
    throw new CommandError(`the gateway could not start: ${errorText(cause)}`);
  }
}

/** Resolves at the first signal to stop, or with why the gateway cannot go on. */
export function untilStopped(io: Io): {
  readonly fatal: (why: string) => void;
  readonly stopped: Promise<string | null>;
} {
  let fatal: (why: string) => void = () => {};
  const stopped = new Promise<string | null>((resolve) => {
    fatal = resolve;
    io.stop.addEventListener('abort', () => resolve(null), { once: true });
    if (io.stop.aborted) resolve(null);
  });
  return { fatal: (why) => fatal(why), stopped };
}

export const serveCommand: Command = {
  name: 'serve',
  summary: 'run the gateway with a configuration file',
  help: `usage: holdgate serve --config FILE

Runs the gateway until SIGINT or SIGTERM, then drains. Logs are JSON lines on standard error.
Clusters follow the saved file at once, also at SIGHUP; what else changes in it needs a restart.

  -c, --config FILE     the configuration (docs/configuration.md)
  --acknowledge-restored-database
                        go on with a database that is not the one this gateway recorded into last; that is recorded
`,
  run: async (args, io) => {
    const { values } = parse(args, {
      config: { type: 'string', short: 'c' },
      'acknowledge-restored-database': { type: 'boolean', default: false },
    });
    if (values.config === undefined) throw new CommandError('--config is missing', exitCodes.usage);
    const config = await configOf(values.config, io);
    const { fatal, stopped } = untilStopped(io);
    const configFile = values.config;
    let gateway: Gateway | null = null;
    // While it starts there is nothing to do: what is saved meanwhile is taken right after.
    io.onHangup(() => void gateway?.reload());
    gateway = await startOrFail(config, io, {
      onFatal: fatal,
      configFile,
      acknowledgeRestored: values['acknowledge-restored-database'],
    });
    const why = await stopped;
    await gateway.close();
    if (why !== null) throw new CommandError(why);
    return exitCodes.ok;
  },
};
