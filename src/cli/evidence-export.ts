import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Io } from './command.ts';

export const evidenceExportHelp = `export: writes a bundle for "holdgate verify". Without a choice it holds everything; with times, the streams that were opened on
those UTC days, whole; with requests or an approval, their records alone, each with a proof. Needs the role auditor, and is
itself put on record. It is sealed by the gateway; what a bundle has and proves: docs/evidence.md.

  --since, --until TIME  RFC 3339
  --request ID           a request, by its Audit-ID; up to 300
  --approval ID          an approval, with its requests
  -o, --output FILE      where the bundle is written
${apiHelp
  .split('\n')
  .filter((line) => !line.includes('--output'))
  .join('\n')}`;

/** `holdgate evidence export`. */
export async function exportEvidence(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, {
    ...apiOptions,
    output: { type: 'string', short: 'o' },
    since: { type: 'string' },
    until: { type: 'string' },
    request: { type: 'string', multiple: true, default: [] },
    approval: { type: 'string' },
  });
  const { output: file, since, until, request, approval } = values;
  if (file === undefined) throw new CommandError('-o FILE is missing', exitCodes.usage);
  const client = await apiClient({ ...values, output: 'text' }, io);
  const query = [
    ...Object.entries({ since, until, approval }).filter(
      (pair): pair is [string, string] => pair[1] !== undefined,
    ),
    ...request.map((id): [string, string] => ['request', id]),
  ];
  const bytes = await client.download('/api/v1/evidence', query, file);
  io.out(`${file}: ${bytes} bytes; check it with: holdgate verify ${file} --key VKEY\n`);
  return exitCodes.ok;
}
