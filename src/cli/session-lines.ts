import { z } from 'zod';
import { safeText } from './output.ts';

/** A command as the REST API gives it, as far as a line shows it. */
export const commandSchema = z.object({
  requestId: z.string(),
  foldedInto: z.string().nullable(),
  fold: z.string().nullable(),
  folded: z.record(z.string(), z.number()),
  at: z.string(),
  username: z.string(),
  cluster: z.string(),
  verdict: z.string(),
  rules: z.array(z.string()).readonly(),
  masked: z.boolean(),
  code: z.string().nullable(),
  approval: z
    .object({
      state: z.string(),
      votes: z.array(z.object({ username: z.string(), vote: z.string() })).readonly(),
    })
    .nullable(),
  line: z.string(),
  status: z.number().nullable(),
  exitCode: z.number().nullable(),
  incomplete: z.string().nullable(),
});
export type ShownCommand = z.infer<typeof commandSchema>;

/** Where the second column begins, if lines leave it the room. */
const lineWidthMax = 72;

/** `12:02:31  kubectl delete pod web -n payments   held, approved by ann, 200`, one a line. */
export function sessionLines(
  commands: readonly ShownCommand[],
  { withDate }: { readonly withDate: boolean },
): string {
  const width = Math.min(lineWidthMax, Math.max(0, ...commands.map((one) => one.line.length)));
  const lines = commands.flatMap((command) => {
    const time = withDate ? command.at.slice(0, 19) : command.at.slice(11, 19);
    const indent = ' '.repeat(time.length + 2);
    const whose = withDate ? `${command.username} on ${command.cluster}  ` : '';
    const mark = command.foldedInto === null ? '' : '  ';
    const text = `${mark}${command.line.padEnd(width)}   ${endOf(command)}`;
    const folded = Object.entries(command.folded).map(([fold, count]) => plural(fold, count));
    return [
      `${time}  ${safeText(`${whose}${text}`)}`,
      ...(folded.length === 0 ? [] : [`${indent}+${folded.join(', +')}`]),
    ];
  });
  return lines.map((line) => `${line}\n`).join('');
}

const FOLDS: Readonly<Record<string, readonly [string, string]>> = {
  discovery: ['discovery request', 'discovery requests'],
  read: ['read of the same object', 'reads of the same object'],
  wait: ['read to wait for the end', 'reads to wait for the end'],
  page: ['further page', 'further pages'],
  retry: ['failed try', 'failed tries'],
};

function plural(fold: string, count: number): string {
  const [one, many] = FOLDS[fold] ?? [fold, fold];
  return `${count} ${count === 1 ? one : many}`;
}

/** What became of it: verdict, votes, status. */
function endOf(command: ShownCommand): string {
  const { status, exitCode, incomplete } = command;
  const shown = status === null || status === 0 ? [] : [String(status)];
  const exit = exitCode === null ? [] : [`exit code ${exitCode}`];
  const running = status === null && incomplete === null ? ['no outcome yet'] : [];
  const missing = incomplete === null ? [] : [`incomplete (${incomplete})`];
  return [...verdictWords(command), ...shown, ...exit, ...running, ...missing].join(', ');
}

function verdictWords({ verdict, approval, masked, rules, code }: ShownCommand): readonly string[] {
  if (verdict === 'hold') {
    if (approval === null) return ['held'];
    const votes = approval.votes.map(
      ({ username, vote }) => `${vote === 'approve' ? 'approved' : 'denied'} by ${username}`,
    );
    const plain = ['EXECUTED', 'EXECUTING', 'APPROVED', 'DENIED'].includes(approval.state);
    return ['held', ...votes, ...(plain && votes.length > 0 ? [] : [approval.state.toLowerCase()])];
  }
  if (verdict === 'deny') {
    const element = rules.find((rule) => rule.includes('/')) ?? code ?? '';
    return [element === '' ? 'denied' : `denied by ${element}`];
  }
  return masked ? ['masked'] : [];
}
