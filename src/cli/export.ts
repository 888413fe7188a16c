import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { openExportTarget } from './export-target.ts';
import { recordPages } from './record-pages.ts';

const options = {
  ...apiOptions,
  format: { type: 'string', default: 'ndjson' },
  since: { type: 'string' },
  until: { type: 'string' },
  settle: { type: 'string' },
  cursor: { type: 'string' },
  output: { type: 'string', short: 'o' },
} as const;

async function exportRecord(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, options);
  const { format, since, until, settle, cursor: cursorFile, output } = values;
  const client = await apiClient({ ...values, output: 'text' }, io);
  const target = openExportTarget({ cursorFile, output }, io);
  try {
    const parameters = { format, since, until, settle, cursor: target.cursor };
    for await (const { text, cursor } of recordPages(client, parameters)) {
      await target.write(text, cursor);
      if (io.stop.aborted) {
        throw new CommandError(
          cursorFile === undefined
            ? 'stopped before the end'
            : 'stopped before the end; the same command goes on from here',
        );
      }
    }
  } finally {
    target.close();
  }
  return exitCodes.ok;
}

const withoutOutput = apiHelp.replace(/^ {2}-o, --output.*\n/m, '');

export const exportCommand: Command = {
  name: 'export',
  summary: "write the record in the formats that auditors' tools read",
  help: `usage: holdgate export [--format FORMAT] [--since TIME] [--until TIME] [--cursor FILE] [-o FILE]

Writes decisions with their outcomes, gateway process by gateway process, each in its own order. Role auditor.

  --format FORMAT       ndjson (default): the records of the decision and its outcome, as they were hashed
                        csv: for people; what a spreadsheet would take for a formula begins with '
                        opa: decision log of Open Policy Agent
                        audit: Event of audit.k8s.io/v1
                        ocsf: API Activity (6003)
                        records: every record of every kind, as it was hashed
  --since, --until TIME RFC 3339
  --settle SECONDS      how long a decision without an outcome is waited for; default 60, at most 3600. It is
                        left to the next run, with what its process recorded after it. Not for records
  --cursor FILE         goes on where the last run with this file ended, and keeps there how far this one came.
                        With -o each record is written once, wherever a run was killed; without it, some may be
                        printed again. The head line of a CSV is in the first file only
  -o, --output FILE     default: standard output. Without --cursor the file is written anew
${withoutOutput}
example: holdgate export --format ocsf --cursor /var/lib/siem/holdgate.cursor -o /var/lib/siem/holdgate.ndjson
`,
  run: exportRecord,
};
