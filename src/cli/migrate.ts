import { systemClock } from '../base/clock.ts';
import { createLog, errorText } from '../base/log.ts';
import { resolveSecret } from '../config/index.ts';
import { connectStore, migrate } from '../store/index.ts';
import { CommandError, exitCodes, parse, type Command } from './command.ts';
import { configOf } from './gateway-file.ts';

export const migrateCommand: Command = {
  name: 'migrate',
  summary: 'bring the database to this version',
  help: `usage: holdgate migrate [--config FILE]

Applies the pending migrations, all in one transaction. Back the database up first.

  -c, --config FILE     the configuration; without it, the embedded database in .holdgate
`,
  run: async (args, io) => {
    const { values } = parse(args, { config: { type: 'string', short: 'c' } });
    const config = await configOf(values.config ?? null, io);
    const log = createLog('warn', io.err);
    const url =
      config.database === undefined ? null : resolveSecret(config.database.url, '.', io.env);
    if (url !== null && !url.ok) throw new CommandError(url.error);
    try {
      const store = await connectStore({
        url: url === null ? null : url.value,
        dataDirectory: config.dataDirectory,
        log,
        clock: systemClock,
      });
      try {
        const applied = await migrate(store, { log });
        io.out(
          applied.length === 0 ? 'the database is up to date\n' : `applied ${applied.join(', ')}\n`,
        );
      } finally {
        await store.close();
      }
    } catch (cause) {
      throw new CommandError(errorText(cause));
    }
    return exitCodes.ok;
  },
};
