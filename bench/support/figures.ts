import { ProbeError } from './peers.ts';

/** One figure of a run. With a target it is judged, with `gate` it is compared with the committed baseline. */
export type Figure = {
  readonly id: string;
  readonly what: string;
  /** Null where there is nothing to publish: `note` says why. */
  readonly value: number | null;
  readonly unit: string;
  readonly target?: { readonly max: number } | { readonly min: number };
  /** Which way is better, where no target says it. */
  readonly better?: 'lower' | 'higher';
  /** Lowest and highest of the blocks or rounds that `value` is the median of. */
  readonly spread?: readonly [number, number];
  readonly gate?: true;
  readonly note?: string;
  /** The scenario itself went wrong: the run fails, whatever the other figures say. */
  readonly failed?: true;
};

/** The middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** A figure out of one value for each block: their median, lowest and highest. */
export function figure(values: readonly number[], rest: Omit<Figure, 'value' | 'spread'>): Figure {
  const spread = [Math.min(...values), Math.max(...values)] as const;
  return { ...rest, value: median(values), spread };
}

/** A figure that could not be taken, and why. */
export const missing = (id: string, what: string, note: string): Figure => ({
  id,
  what,
  value: null,
  unit: '',
  note,
});

/** A scenario, or a part of it, that went wrong. What is no failure of a probe is a bug of ours, and thrown on. */
export function failed(id: string, what: string, cause: unknown): Figure {
  if (!(cause instanceof ProbeError)) throw cause;
  const note = cause.message.split('\n').join(' ').slice(0, 300);
  return { id, what, value: null, unit: '', note, failed: true };
}

/** Whether a figure meets its target; null where it has none, or no value. */
export function meets({ target, value }: Figure): boolean | null {
  if (target === undefined || value === null) return null;
  return 'max' in target ? value <= target.max : value >= target.min;
}

/** How many times worse `now` is than `before`: above 1 is worse. */
export function worsening(now: Figure, before: number): number | null {
  if (now.value === null) return null;
  const { target, better = 'lower' } = now;
  const lower = target === undefined ? better === 'lower' : 'max' in target;
  return lower ? now.value / before : before / now.value;
}

export const targetText = ({ target }: Figure): string => {
  if (target === undefined) return '';
  return 'max' in target ? `<= ${target.max}` : `>= ${target.min}`;
};

/** Three digits that count, whatever the size. */
export const valueText = (value: number | null): string =>
  value === null ? 'n/a' : String(Number(value.toPrecision(3)));
