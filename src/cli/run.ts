import { errorText } from '../base/log.ts';
import { approvalsCommand } from './approvals.ts';
import { checkCommand } from './check.ts';
import { CommandError, exitCodes, type Command, type Io } from './command.ts';
import { decisionsCommand } from './decisions.ts';
import { evidenceCommand } from './evidence.ts';
import { explainCommand } from './explain.ts';
import { exportCommand } from './export.ts';
import { helpText } from './help.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { migrateCommand } from './migrate.ts';
import { reconcileCommand } from './reconcile.ts';
import { serveCommand } from './serve.ts';
import { sessionsCommand } from './sessions.ts';
import { startCommand } from './start.ts';
import { tokenCommand } from './token.ts';
import { verifyCommand } from './verify.ts';

/** Every command, in the order of the help text. */
export const commands: readonly Command[] = [
  startCommand,
  serveCommand,
  checkCommand,
  migrateCommand,
  kubeconfigCommand,
  tokenCommand,
  decisionsCommand,
  sessionsCommand,
  approvalsCommand,
  explainCommand,
  exportCommand,
  reconcileCommand,
  verifyCommand,
  evidenceCommand,
];

/** argv to exit code. Whatever fails is one message on standard error, never a stack. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(helpText(commands, rest[0]));
    return name === undefined ? exitCodes.usage : exitCodes.ok;
  }
  const command = commands.find((one) => one.name === name);
  if (command === undefined) {
    io.err(`holdgate: there is no command "${name}"\n\n${helpText(commands)}`);
    return exitCodes.usage;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    io.out(helpText(commands, name));
    return exitCodes.ok;
  }
  try {
    return await command.run(rest, io);
  } catch (cause) {
    const hint =
      cause instanceof CommandError && cause.code === exitCodes.usage
        ? `\nsee: holdgate ${name} --help`
        : '';
    io.err(`holdgate ${name}: ${errorText(cause)}${hint}\n`);
    return cause instanceof CommandError ? cause.code : exitCodes.failed;
  }
}
