import { meets, targetText, valueText, type Figure } from './figures.ts';

const mark = (figure: Figure): string => {
  if (figure.failed === true) return 'FAIL';
  const met = meets(figure);
  if (met === null) return '    ';
  return met ? 'ok  ' : 'MISS';
};

/** One line a figure: whether it meets its target, its value, its spread. */
export function printFigures(figures: readonly Figure[]): void {
  for (const one of figures) {
    const spread =
      one.spread === undefined ? '' : ` [${valueText(one.spread[0])}..${valueText(one.spread[1])}]`;
    const target = targetText(one);
    console.log(
      [
        mark(one),
        `${one.what}: ${valueText(one.value)} ${one.value === null ? '' : one.unit}${spread}`,
        target === '' ? '' : `(target ${target})`,
        one.note === undefined ? '' : `— ${one.note}`,
      ]
        .filter(Boolean)
        .join(' '),
    );
  }
}
