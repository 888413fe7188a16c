import { errorText } from '../base/log.ts';
import { deploymentKeyOf } from '../gateway/open-record.ts';
import { CommandError, exitCodes, parse, type Command } from './command.ts';
import { configOf, placeOptions } from './gateway-file.ts';

export const evidenceCommand: Command = {
  name: 'evidence',
  summary: 'what proves that records were not changed',
  help: `usage: holdgate evidence key [--config FILE]

Prints the public key by which everything that this deployment records is verified, as <deployment>/ledger+<id>+<base64>.
Give it to auditors by a way of its own, not beside the records. The key is made if there is none yet.

  -c, --config FILE     the configuration
  --data-directory DIR  default .holdgate, or that of the configuration
`,
  run: async (args, io) => {
    const { values, positionals } = parse(args, placeOptions, { min: 1, max: 1 });
    if (positionals[0] !== 'key') {
      throw new CommandError(`there is no "evidence ${positionals[0]}"`, exitCodes.usage);
    }
    const config = await configOf(values.config ?? null, io);
    const dataDirectory = values['data-directory'] ?? config.dataDirectory;
    try {
      const key = await deploymentKeyOf({ dataDirectory, record: config.record }, io);
      io.out(`${key.signer.vkey}\n`);
    } catch (cause) {
      throw new CommandError(errorText(cause));
    }
    return exitCodes.ok;
  },
};
