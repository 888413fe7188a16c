import { createReadStream, readFileSync, statSync } from 'node:fs';
import { errorText } from '../base/log.ts';
import { verifyBundle, type Finding, type VerifyReport } from '../record/index.ts';
import { CommandError, exitCodes, parse, type Command } from './command.ts';
import { facts, json, safeText } from './output.ts';

/** What is read of the bundle at a time. Bytes. */
const pieceBytes = 1024 * 1024;

/** A key's file, and a file of anchors. Bytes. */
const keyBytesMax = 4096;
const anchorsBytesMax = 256 * 1024 * 1024;

const verdictCodes = { verified: exitCodes.ok, tampered: 1, unverifiable: 2 } as const;

export const verifyCommand: Command = {
  name: 'verify',
  summary: 'check an evidence bundle offline',
  help: `usage: holdgate verify BUNDLE --key VKEY|FILE [--anchor FILE] [--json]

Checks, without any network or database, that the records of a bundle are those that were signed when they were made:
every signature, every tree of hashes, gaps, the ledger against the streams, and the anchors against the ledger.

  --key VKEY|FILE       the deployment's public key, as "holdgate evidence key" printed it when all was well, or a file with it
  --anchor FILE         checkpoints that were kept elsewhere: an anchor file, or a log of the gateway
  --json                for machines

Exit codes: 0 verified; 1 tampered, the first bad record is named; 2 not verified: the bundle is cut off, of another
deployment or a newer version, or has records that nobody signed. What a bundle proves and what not: docs/evidence.md.
`,
  run: async (args, io) => {
    const { values, positionals } = parse(
      args,
      {
        key: { type: 'string' },
        anchor: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
      { min: 1, max: 1 },
    );
    if (values.key === undefined) throw new CommandError('--key is missing', exitCodes.usage);
    const bundle = positionals[0] ?? '';
    try {
      const report = await verifyBundle({
        bundle: createReadStream(bundle, { highWaterMark: pieceBytes }),
        key: keyOf(values.key),
        anchors: values.anchor === undefined ? null : linesIn(values.anchor),
      });
      if (!report.ok) throw new CommandError(report.error, verdictCodes.unverifiable);
      io.out(values.json ? json(report.value) : textOf(report.value));
      return verdictCodes[report.value.verdict];
    } catch (cause) {
      if (cause instanceof CommandError) throw cause;
      // Nothing was verified, which is not the same as tampered.
      throw new CommandError(errorText(cause), verdictCodes.unverifiable);
    }
  },
};

/** A key has plus signs and no slash at its begin; a file is whatever exists under the name. */
function keyOf(given: string): string {
  const file = statSync(given, { throwIfNoEntry: false });
  if (file === undefined) return given;
  if (file.size > keyBytesMax) throw new CommandError(`${given} is too large for a key`, 2);
  return readFileSync(given, 'utf8').trim();
}

function linesIn(file: string): readonly string[] {
  if (statSync(file).size > anchorsBytesMax) {
    throw new CommandError(`${file} is over ${anchorsBytesMax} bytes: give a part of it`, 2);
  }
  return readFileSync(file, 'utf8').split('\n');
}

/** Findings and streams that are printed; --json has a thousand of them. */
const shownMax = 20;

function textOf(report: VerifyReport): string {
  const { counts, ledger, streams, findings } = report;
  const loose = streams.filter(({ end }) => end === 'open' || end === 'abandoned');
  const serious = findings.filter(({ severity }) => severity !== 'note');
  const notes = findings.filter(({ severity }) => severity === 'note');
  return [
    facts([
      ['deployment', report.deployment ?? ''],
      ['made', report.madeAt === null ? '' : `${report.madeAt} for ${report.madeBy ?? ''}`],
      ['scope', scopeText(report)],
      [
        'records',
        `${counts.records} in ${counts.streams} streams, ${counts.checkpoints} signed checkpoints`,
      ],
      ['from, to', report.from === null ? '' : `${report.from} to ${report.to ?? ''}`],
      ['ledger', ledgerText(ledger)],
      ...report.anchoredAt.map(({ kind, ref, ledgerSize, at }): [string, string] => [
        'anchored',
        `${kind} ${ref} at ${at}, ${ledgerSize} entries (so the gateway says)`,
      ]),
    ]),
    section(
      'without an orderly end',
      loose,
      ({ stream, end, lastSeq, to }) =>
        `${stream} ${end === 'abandoned' ? 'was abandoned' : 'runs on or was cut off'}: last record ${lastSeq ?? '-'}${to === null ? '' : `, ${to}`}`,
    ),
    section('to be looked at', notes, findingText),
    section('found', serious, findingText),
    `\n${verdictText(report)}\n`,
  ].join('');
}

function section<T>(title: string, items: readonly T[], text: (item: T) => string): string {
  if (items.length === 0) return '';
  const lines = items.slice(0, shownMax).map((item) => `  ${safeText(text(item))}\n`);
  const rest = items.length > shownMax ? `  and ${items.length - shownMax} more\n` : '';
  return `\n${title}:\n${lines.join('')}${rest}`;
}

const findingText = ({ kind, stream, seq, expected, found }: Finding): string =>
  `${kind}${placeText(stream, seq)}: expected ${expected}; found ${found}`;

function placeText(stream: string | null, seq: number | null): string {
  if (stream === null) return seq === null ? '' : `, ledger entry ${seq}`;
  return seq === null ? `, stream ${stream}` : `, stream ${stream}, record ${seq}`;
}

function scopeText({ scope }: VerifyReport): string {
  switch (scope?.kind) {
    case 'all':
      return 'everything';
    case 'days':
      return `streams opened from ${scope.from ?? 'the beginning'} to ${scope.until ?? 'the end'}`;
    case 'approval':
      return `approval ${scope.approval}: these records are checked, not that there are no others`;
    case 'requests':
      return `${scope.requests.length} requests: these records are checked, not that there are no others`;
    case undefined:
      return '';
  }
}

function ledgerText(ledger: VerifyReport['ledger']): string {
  if (ledger === null) return '';
  const { entries, streams, to, anchorsFound, anchorsNewer } = ledger;
  const anchors = anchorsFound === 0 ? '' : `, ${anchorsFound} anchors found in it`;
  const newer = anchorsNewer === 0 ? '' : `, ${anchorsNewer} anchors newer than the bundle`;
  return `${entries} entries about ${streams} streams, to ${to ?? '-'}${anchors}${newer}`;
}

function verdictText({ verdict, findings, counts }: VerifyReport): string {
  const first = findings.find(({ severity }) => severity === verdict);
  switch (verdict) {
    case 'verified':
      return 'VERIFIED: every record of the bundle is the one that was signed.';
    case 'tampered':
      return `TAMPERED: ${counts.findings.tampered} findings, the first of them ${first === undefined ? '' : safeText(findingText(first))}`;
    case 'unverifiable':
      return `NOT VERIFIED: ${first === undefined ? '' : safeText(findingText(first))}`;
  }
}
