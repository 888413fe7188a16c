/** What stands at the end of a text that was cut, with the number of UTF-16 units left out. */
const cutMark = (left: number): string => `…(+${left})`;

/** A text of at most `charsMax` UTF-16 units; a longer one ends with a mark that says how much is missing. */
export function cutText(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax)}${cutMark(text.length - charsMax)}`;
}
