import type { Command } from './command.ts';

const head = `holdgate: the gateway between AI agents and Kubernetes clusters

usage: holdgate <command> [options]
`;

const foot = `
Exit codes: 0 done, 1 failed or refused, 2 wrong usage, or no answer can be given.
holdgate <command> --help says more.
`;

/** The help of one command, or the list of all. */
export function helpText(commands: readonly Command[], name?: string): string {
  const command = commands.find((one) => one.name === name);
  if (command !== undefined)
    return `holdgate ${command.name}: ${command.summary}\n\n${command.help}`;
  const width = Math.max(...commands.map((one) => one.name.length));
  const lines = commands.map((one) => `  ${one.name.padEnd(width)}  ${one.summary}`);
  return `${head}\n${lines.join('\n')}\n${foot}`;
}

/** docs/cli.md: the help of every command. */
export function cliReference(commands: readonly Command[]): string {
  const sections = commands.map(
    (one) =>
      `## holdgate ${one.name}\n\n${one.summary}\n\n\`\`\`text\n${one.help.trimEnd()}\n\`\`\`\n`,
  );
  return `# Command line\n\n${sections.join('\n')}`;
}
