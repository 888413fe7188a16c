import { errorText } from '../base/log.ts';
import { deploymentKeyOf } from '../gateway/open-record.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { evidenceExportHelp, exportEvidence } from './evidence-export.ts';
import { configOf, placeOptions } from './gateway-file.ts';

export const evidenceCommand: Command = {
  name: 'evidence',
  summary: 'what proves that records were not changed',
  help: `usage: holdgate evidence key [--config FILE]
       holdgate evidence export [--since TIME] [--until TIME] -o FILE
       holdgate evidence export --request ID [--request ID ...] -o FILE
       holdgate evidence export --approval ID -o FILE

key: prints the public key by which everything that this deployment records is verified, as
<deployment>/ledger+<id>+<base64>. Give it to auditors by a way of its own, not beside the records. The key is made if
there is none yet.

  -c, --config FILE     the configuration
  --data-directory DIR  default .holdgate, or that of the configuration

${evidenceExportHelp}`,
  run: (args, io) => {
    const [sub, ...rest] = args;
    if (sub === 'key') return printKey(rest, io);
    if (sub === 'export') return exportEvidence(rest, io);
    throw new CommandError('say what: key or export', exitCodes.usage);
  },
};

async function printKey(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, placeOptions);
  const config = await configOf(values.config ?? null, io);
  const dataDirectory = values['data-directory'] ?? config.dataDirectory;
  try {
    const key = await deploymentKeyOf({ dataDirectory, record: config.record }, io);
    io.out(`${key.signer.vkey}\n`);
  } catch (cause) {
    throw new CommandError(errorText(cause));
  }
  return exitCodes.ok;
}
