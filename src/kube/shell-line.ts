/**
 * Words as one line that a person reads and a POSIX shell parses back to the same words (POSIX.1-2017, XCU §2.2). What is
 * printed comes from requests, so it may have been written by an attacker.
 */

/**
 * What a terminal acts on, or a reader cannot see: control characters (escape sequences), bidirectional and other format
 * characters, separators of lines and spaces that are not the space, halves of surrogate pairs, unassigned and private ones.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

/** Text fit for a terminal: each unsafe character as `\u{1b}`, so that a reader sees that it was there. */
export const visible = (text: string): string =>
  text.replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);

/** Words that no shell changes. `~` and `#` mean something at the start of a word only; quoting them always is simpler. */
const PLAIN = /^[\w@%+=:,./…-]+$/u;

/** A first word is a reserved one (`if`) or an assignment unless it is a command's name. */
const FIRST = /^(kubectl|[A-Z]+)$/;

/** A word for a POSIX shell: single quotes wherever one might be needed; within them nothing has a meaning. */
const quoted = (word: string, index: number): string =>
  (index === 0 ? FIRST : PLAIN).test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** One word of a line that is too long keeps this much, so that the words after it are still seen. UTF-16 units. */
const longWordChars = 120;

/** Stands for what was left out. */
const CUT = '…';

/** The line of words, at most `charsMax` UTF-16 units: first long words are cut, then the last ones are left out. */
export function shellLine(words: readonly string[], charsMax: number): string {
  const whole = words.map((word, index) => quoted(visible(word.slice(0, charsMax)), index));
  const fits = words.every((word) => word.length <= charsMax) && whole.join(' ').length <= charsMax;
  if (fits) return whole.join(' ');
  let line = '';
  for (const [index, word] of words.entries()) {
    const next = quoted(cutVisible(word), index);
    const longer = line === '' ? next : `${line} ${next}`;
    if (longer.length > charsMax - CUT.length - 1) return line === '' ? CUT : `${line} ${CUT}`;
    line = longer;
  }
  return line;
}

/** Cut after it was made visible, so that no escape is cut into something else than text. */
function cutVisible(word: string): string {
  const shown = visible(word.slice(0, longWordChars + 1));
  if (word.length <= longWordChars && shown.length <= longWordChars) return shown;
  return `${Array.from(shown).slice(0, longWordChars).join('')}${CUT}`;
}
