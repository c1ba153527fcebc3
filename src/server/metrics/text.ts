import { METRICS, type MetricName } from './catalogue.js';

/** The media type of what `Exposition.text` gives. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string | number>>;

/** What a histogram holds: of each bucket but the last how much it counts, not summed up; the last has no bound. */
export interface Buckets {
  /** Upper bounds, in the metric's unit. One fewer than counts. */
  readonly bounds: readonly number[];
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

/**
 * One answer to a scrape, in the text format of Prometheus (version 0.0.4). Samples may be added in any order: those of one
 * metric come out together, as the format wants. Written by hand because what is exposed are snapshots of counters and
 * histograms that others keep, which prom-client takes from nobody; CONTRIBUTING.md has the figures.
 */
export class Exposition {
  readonly #samples = new Map<MetricName, string>();

  add(name: MetricName, labels: Labels | undefined, value: number): void {
    this.#put(name, `${name}${inBraces(labels)} ${numberOf(value)}\n`);
  }

  histogram(name: MetricName, labels: Labels, { bounds, counts, sum }: Buckets): void {
    const inner = pairsOf(labels);
    const before = `${name}_bucket{${inner}${inner === '' ? '' : ','}le="`;
    const after = inner === '' ? '' : `{${inner}}`;
    let text = '';
    let seen = 0;
    for (let bucket = 0; bucket < bounds.length; bucket++) {
      seen += counts[bucket] ?? 0;
      text += `${before}${bounds[bucket]}"} ${seen}\n`;
    }
    seen += counts[bounds.length] ?? 0;
    this.#put(
      name,
      `${text}${before}+Inf"} ${seen}\n${name}_sum${after} ${numberOf(sum)}\n${name}_count${after} ${seen}\n`,
    );
  }

  get text(): string {
    let text = '';
    for (const [name, samples] of this.#samples) {
      const { help, type } = METRICS[name];
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples}`;
    }
    return text;
  }

  #put(name: MetricName, text: string): void {
    this.#samples.set(name, (this.#samples.get(name) ?? '') + text);
  }
}

function inBraces(labels: Labels | undefined): string {
  return labels === undefined ? '' : `{${pairsOf(labels)}}`;
}

function pairsOf(labels: Labels): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name];
    text += `${text === '' ? '' : ','}${name}="${typeof value === 'string' ? escaped(value) : value}"`;
  }
  return text;
}

/** Few values hold what must be escaped; a test of the whole is cheaper than three replacements. */
function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`)) : value;
}

function numberOf(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
