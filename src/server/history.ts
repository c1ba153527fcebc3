/** What is kept of the last minutes, for curves: as columns, because uPlot takes columns. */
export interface History {
  /** Seconds of Unix time, the oldest first. */
  t: number[];
  /** By name as many values as there are times; null where nothing is known. */
  series: Record<string, (number | null)[]>;
}

/** Samples kept: 15 minutes of one a second. */
export const MOST_SAMPLES = 900;

/** The last samples of some series, in memory that is taken once. */
export class Ring {
  readonly #times: Float64Array;
  readonly #columns: ReadonlyMap<string, Float64Array>;
  #next = 0;
  #kept = 0;

  constructor(names: readonly string[], most = MOST_SAMPLES) {
    this.#times = new Float64Array(most);
    this.#columns = new Map(names.map((name) => [name, new Float64Array(most)]));
  }

  /** `at` is milliseconds of Unix time. */
  add(at: number, values: Readonly<Record<string, number | undefined>>): void {
    this.#times[this.#next] = Math.round(at) / 1_000;
    for (const [name, column] of this.#columns) column[this.#next] = values[name] ?? Number.NaN;
    this.#next = (this.#next + 1) % this.#times.length;
    this.#kept = Math.min(this.#kept + 1, this.#times.length);
  }

  /** The last `most` samples. */
  read(most = this.#times.length): History {
    const count = Math.min(most, this.#kept);
    const series = Array.from(this.#columns, ([name, column]) => {
      const values = this.#last(column, count).map((value) => (Number.isNaN(value) ? null : round(value)));
      return [name, values] as const;
    });
    return { t: this.#last(this.#times, count), series: Object.fromEntries(series) };
  }

  #last(column: Float64Array, count: number): number[] {
    const first = this.#next - count;
    if (first >= 0) return Array.from(column.subarray(first, this.#next));
    return [...column.subarray(first), ...column.subarray(0, this.#next)];
  }
}

/** Four digits are more than a curve shows. */
function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}
