import { describe, expect, it } from 'vitest';
import { worseThan, type Baseline } from '../../bench/support/baseline.ts';
import { figure, median, meets, worsening, type Figure } from '../../bench/support/figures.ts';

const ratio = (value: number | null, rest: Partial<Figure> = {}): Figure => ({
  id: 'one',
  what: 'a ratio',
  value,
  unit: 'x',
  target: { max: 2 },
  gate: true,
  ...rest,
});

const baseline = (figures: Record<string, number>): Baseline => ({
  machine: {
    date: '',
    processor: '',
    cores: 2,
    memoryGiB: 1,
    kernel: '',
    loadBefore: 0,
    versions: {},
  },
  figures,
});

describe('figures of the benchmark', () => {
  it.each([
    { values: [3, 1, 2], middle: 2 },
    { values: [4, 1, 2, 3], middle: 2.5 },
    { values: [7], middle: 7 },
  ])('take the middle of $values', ({ values, middle }) => {
    expect(median(values)).toBe(middle);
  });

  it('carry the lowest and highest of their blocks', () => {
    const made = figure([3, 1, 2], { id: 'one', what: 'a ratio', unit: 'x' });
    expect(made).toMatchObject({ value: 2, spread: [1, 3] });
  });

  it.each([
    { name: 'a maximum, at it', value: 2, target: { max: 2 }, met: true },
    { name: 'a maximum, above', value: 2.01, target: { max: 2 }, met: false },
    { name: 'a minimum, below', value: 0.4, target: { min: 0.5 }, met: false },
    { name: 'a minimum, at it', value: 0.5, target: { min: 0.5 }, met: true },
    { name: 'no value', value: null, target: { max: 2 }, met: null },
  ])('are judged by their target: $name', ({ value, target, met }) => {
    expect(meets(ratio(value, { target }))).toBe(met);
  });

  it.each([
    { name: 'lower is better, and it rose', target: { max: 2 }, now: 3, before: 2, factor: 1.5 },
    { name: 'higher is better, and it fell', target: { min: 1 }, now: 1, before: 2, factor: 2 },
    { name: 'higher is better, and it rose', target: { min: 1 }, now: 2, before: 1, factor: 0.5 },
  ])('say how much worse they became: $name', ({ target, now, before, factor }) => {
    expect(worsening(ratio(now, { target }), before)).toBe(factor);
  });
});

describe('the gate of the benchmark', () => {
  it.each([
    { name: 'within the slack', figures: [ratio(1.25)], worse: [] },
    { name: 'beyond the slack', figures: [ratio(1.26)], worse: ['one'] },
    {
      name: 'a time, which machines differ by',
      figures: [{ ...ratio(9), gate: undefined }],
      worse: [],
    },
    { name: 'not in the baseline', figures: [ratio(9, { id: 'new' })], worse: [] },
    { name: 'not measured', figures: [ratio(null)], worse: [] },
  ])('names what is too much worse: $name', ({ figures, worse }) => {
    const kept = figures.map(({ gate, ...rest }): Figure => (gate ? { ...rest, gate } : rest));
    expect(worseThan(baseline({ one: 1 }), kept).map(({ id }) => id)).toEqual(worse);
  });
});
