import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';

/** A pattern for command lines, as somebody wrote it. */
export type CommandPattern = {
  /** `substring`: anywhere in the line; `glob`: the whole line, with `*` and `?`; `regex`: PostgreSQL's, anywhere. */
  readonly match: 'substring' | 'glob' | 'regex';
  readonly text: string;
};

/** How the database looks for it: both without case, both with the help of the trigram index. */
export type LinePattern = { readonly operator: 'ilike' | '~*'; readonly operand: string };

/** A longer pattern is none that a person wrote. UTF-16 units. */
const patternCharsMax = 128;

/**
 * All repetitions with a count, multiplied: the engine writes them out, so that `((a{99}){99}){99}` would take its memory
 * and time before it has looked at one line.
 */
const repeatedMax = 1000;

/** Makes the database's pattern, or refuses what would cost more than a search may. */
export function linePattern({ match, text }: CommandPattern): Result<LinePattern, Refusal> {
  if (text === '' || text.length > patternCharsMax || text.includes('\0') || !text.isWellFormed()) {
    return err(invalid(`is text of 1 to ${patternCharsMax} characters`));
  }
  if (match === 'substring') return ok({ operator: 'ilike', operand: `%${escapeLike(text)}%` });
  if (match === 'glob') {
    const like = escapeLike(text).replaceAll('*', '%').replaceAll('?', '_');
    return ok({ operator: 'ilike', operand: like });
  }
  const problem = regexProblem(text);
  return problem === null ? ok({ operator: '~*', operand: text }) : err(invalid(problem));
}

/** The refusal of a pattern: what is wrong with it, after `command`. */
export const invalid = (problem: string): Refusal =>
  refusal('HOLDGATE_CONSOLE_REQUEST_INVALID', `command ${problem}`);

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, String.raw`\$&`);

/**
 * What makes PostgreSQL's engine slow (its manual, 9.7.3.8): back references, which it can only try out, look-around, and
 * counts inside counts. Without them it runs as an automaton, in time that grows with the line.
 */
function regexProblem(text: string): string | null {
  if (text.startsWith('***')) return 'has no director prefix (***)';
  if (/\\[0-9]/.test(text)) return 'has no back references';
  if (/\(\?(?!:)/.test(text)) return 'has no look-around and no embedded options';
  let repeated = 1;
  for (const [, from = '', to = ''] of text.matchAll(/\{(\d*),?(\d*)\}?/g)) {
    repeated *= Math.max(1, Number(from), Number(to));
  }
  return repeated > repeatedMax ? `repeats more than ${repeatedMax} times` : null;
}
