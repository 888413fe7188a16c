import { claimedCommand } from './claimed-command.ts';
import type { CommandFacts, LineParts, RequestFacts } from './command-facts.ts';
import { inferredCommand } from './inferred-command.ts';
import { shellLine } from './shell-line.ts';

/** A request as people know it. */
export type CommandLine = {
  /** One line, at most `commandLineCharsMax` long, safe for a terminal, and words again for a POSIX shell. */
  readonly line: string;
  /**
   * `header`: the client named its command, and the request fits it. `inferred`: worked out from the request. `raw`: the
   * path, as no command of kubectl sends it, or too little is known.
   */
  readonly fidelity: 'header' | 'inferred' | 'raw';
};

/** UTF-16 units: what is indexed for search. */
export const commandLineCharsMax = 512;

/**
 * Renders a recorded request as a kubectl line. It is for reading and searching: bodies, files and argv are not in the
 * record, so it need not be what was typed, and it is never the reason for a decision.
 */
export function commandLine(facts: CommandFacts): CommandLine {
  const { request } = facts;
  const raw = (): CommandLine => ({ line: line(rawWords(facts)), fidelity: 'raw' });
  if (request === null) return raw();
  const inferred = inferredCommand(request);
  const claimed = claimedCommand(facts.kubectlCommand, request, inferred);
  if (claimed !== null) return { line: line(wordsOf(claimed)), fidelity: 'header' };
  return inferred === null ? raw() : { line: line(wordsOf(inferred)), fidelity: 'inferred' };
}

const line = (words: readonly string[]): string => shellLine(words, commandLineCharsMax);

const wordsOf = ({ command, object, flags }: LineParts): readonly string[] => [
  'kubectl',
  ...command,
  ...object,
  ...flags,
];

function rawWords({ method, target, request }: CommandFacts): readonly string[] {
  if (request === null || request.verb === 'connect') return [method, target];
  if (request.verb === 'get' || request.verb === 'list' || request.verb === 'watch') {
    return ['kubectl', 'get', '--raw', pathAndQuery(request)];
  }
  return [method, pathAndQuery(request)];
}

/** The path without the gateway's own prefix, encoded again, with the parameters as they are on record. */
function pathAndQuery({ path, options }: RequestFacts): string {
  const pairs = Object.entries(options).flatMap(([name, values]) =>
    values.map((value) => `${encoded(name)}=${encoded(value)}`),
  );
  return `${encoded(path)}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
}

/** What separates the parts of a target, percent-encoded; the rest stays readable, and is made safe with the whole line. */
const encoded = (text: string): string =>
  text.replace(/[%?#&=+ ]/g, (character) => encodeURIComponent(character));
