import { checkPolicies, problemText } from '../decide/index.ts';
import { maskPathProblem } from '../mask/index.ts';
import { exitCodes, parse, type Command } from './command.ts';
import { configOf, policiesDirectory } from './gateway-file.ts';

export const checkCommand: Command = {
  name: 'check',
  summary: 'check configuration and policies offline',
  help: `usage: holdgate check [--config FILE] [--policies DIR]

Checks the configuration, compiles and tests the policies, and applies the loader's checks. Then lists each place
where a deny, hold or mask depends on free-form input (objects, labels, claims): a field that is missing there
makes the rule say nothing, so each wants a test for it.

  -c, --config FILE     the configuration; default: built-in defaults
  --policies DIR        default: the configured folder
`,
  run: async (args, io) => {
    const { values } = parse(args, {
      config: { type: 'string', short: 'c' },
      policies: { type: 'string' },
    });
    const config = await configOf(values.config ?? null, io);
    const directory = policiesDirectory(values.policies, config);
    const checked = await checkPolicies({
      directory,
      opa: { configured: config.policies.opa, searchPath: io.env['PATH'] },
      approverGroups:
        values.config === undefined || config.identity.local
          ? null
          : Object.keys(config.approverGroups),
      isMaskPath: maskPathProblem,
    });
    if (!checked.ok) {
      for (const problem of checked.error) io.err(`${problemText(problem)}\n`);
      return exitCodes.failed;
    }
    io.out(`configuration and policies are in order (${directory})\n`);
    const { policy } = checked.value;
    for (const one of policy.freeForm) {
      const tested = one.tested ? 'a test names it' : 'NO test names it';
      io.out(
        `${one.file}:${one.at.line}: ${one.set} ${one.rule}/${one.id} depends on ${one.reference} (${tested})\n`,
      );
    }
    await policy.close();
    return exitCodes.ok;
  },
};
