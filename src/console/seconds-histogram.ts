/** A series: the observations with the same label values. */
type Series = {
  readonly labels: string;
  /** Observations by the first bound that they do not exceed; the last place is for those above all bounds. */
  readonly counts: number[];
  sum: number;
};

type SecondsHistogramOptions = {
  readonly name: string;
  readonly help: string;
  /** Upper bounds of the buckets, ascending. Seconds. */
  readonly bounds: readonly number[];
};

/**
 * A Prometheus histogram. prom-client's own builds, checks and hashes an object of labels at each observation, also for
 * a child bound to them; here one observation finds its bucket and adds two numbers.
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
 */
export class SecondsHistogram {
  readonly #options: SecondsHistogramOptions;
  readonly #series: Series[] = [];

  constructor(options: SecondsHistogramOptions) {
    this.#options = options;
  }

  /** Adds a series; the answer observes one duration in seconds. Call it once for the same labels. */
  child(labels: Readonly<Record<string, string>>): (seconds: number) => void {
    const { bounds } = this.#options;
    const counts = [...bounds, Infinity].map(() => 0);
    const series: Series = { labels: labelsText(labels), counts, sum: 0 };
    this.#series.push(series);
    return (seconds) => {
      let place = 0;
      while (place < bounds.length && seconds > (bounds[place] ?? Infinity)) place += 1;
      series.counts[place] = (series.counts[place] ?? 0) + 1;
      series.sum += seconds;
    };
  }

  /** Its lines in the text format, the last one with its newline. */
  text(): string {
    const { name, help, bounds } = this.#options;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const { labels, counts, sum } of this.#series) {
      let count = 0;
      for (const [place, more] of counts.entries()) {
        count += more;
        const bound = bounds[place] ?? '+Inf';
        lines.push(`${name}_bucket{le="${bound}",${labels}} ${count}`);
      }
      lines.push(`${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

/** Label values escape backslashes, quotes and line breaks, so that no name can add a line or a label. */
function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => {
      const escaped = value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
      return `${name}="${escaped}"`;
    })
    .join(',');
}
