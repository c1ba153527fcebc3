/** One metric of a scrape. `series`: the labels as text → the value. */
export interface Scraped {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** With `_bucket`, `_sum` or `_count`, where it is of a histogram. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const HELP = new RegExp(`^# HELP (${NAME}) (\\S.*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]Inf|-?[0-9][0-9.e+-]*)$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

/**
 * Reads the text format of Prometheus (version 0.0.4), strictly: whatever it does not know is an error. Each metric has help
 * and type, once, before its samples, which stand together; no series is there twice; counters end in `_total` and are no
 * less than 0; buckets go up, and the last one is the count.
 */
export function parseExposition(text: string): Map<string, Scraped> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const found = new Map<string, Scraped>();
  const seen = new Set<string>();
  let current: { name: string; type: string; samples: Sample[] } | undefined;
  let helped: { name: string; help: string } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const help = HELP.exec(line);
    const type = TYPE.exec(line);
    if (help) {
      if (helped) throw new Error(`no type: ${helped.name}`);
      helped = { name: help[1] as string, help: help[2] as string };
    } else if (type) {
      const [, name = '', kind] = type;
      if (helped?.name !== name) throw new Error(`no help before the type of ${name}`);
      if (found.has(name)) throw new Error(`twice: ${name}`);
      current = { name, type: kind as string, samples: [] };
      found.set(name, { ...current, type: kind as Scraped['type'], help: helped.help });
      helped = undefined;
    } else {
      const sample = sampleOf(line);
      if (!current || helped || !belongs(sample.name, current)) throw new Error(`a sample out of place: ${line}`);
      const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(series)) throw new Error(`twice: ${line}`);
      seen.add(series);
      current.samples.push(sample);
    }
  }
  if (helped) throw new Error(`no type: ${helped.name}`);
  for (const metric of found.values()) checkMetric(metric);
  return found;
}

/** The value of one series; fails where it is not there. */
export function valueIn(
  scrape: ReadonlyMap<string, Scraped>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const [metric] = [scrape.get(name), scrape.get(name.replace(/_(bucket|sum|count)$/, ''))].filter(Boolean);
  const wanted = Object.entries(labels);
  const samples = metric?.samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  );
  if (samples?.length !== 1) throw new Error(`${samples?.length ?? 0} series of ${name} ${JSON.stringify(labels)}`);
  return (samples[0] as Sample).value;
}

function sampleOf(line: string): Sample {
  const [, name, inner, value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (inner !== undefined && LABEL.lastIndex < inner.length) {
    const at = LABEL.lastIndex;
    const label = LABEL.exec(inner);
    if (!label) throw new Error(`bad labels from ${at}: ${line}`);
    const [, key = '', escaped = ''] = label;
    if (key in labels) throw new Error(`a label twice: ${line}`);
    labels[key] = escaped.replace(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one));
    if (LABEL.lastIndex === 0) break;
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function belongs(name: string, { name: family, type }: { name: string; type: string }): boolean {
  if (type !== 'histogram') return name === family;
  return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name);
}

function checkMetric({ name, type, samples }: Scraped): void {
  if (samples.length === 0) throw new Error(`no samples: ${name}`);
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`_total is for counters, and for all: ${name}`);
  for (const { value } of samples) if (type !== 'gauge' && !(value >= 0)) throw new Error(`${name} is ${value}`);
  if (type !== 'histogram') return;
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [labels, all] of series) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const count = all.filter((sample) => sample.name === `${name}_count`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('Inf', 'Infinity')));
    const values = buckets.map(({ value }) => value);
    const goUp = bounds.every((bound, at) => at === 0 || bound > (bounds[at - 1] as number));
    const addUp = values.every((value, at) => at === 0 || value >= (values[at - 1] as number));
    const ends = bounds.at(-1) === Number.POSITIVE_INFINITY && count.length === 1 && count[0]?.value === values.at(-1);
    if (!goUp || !addUp || !ends) throw new Error(`a bad histogram: ${name} ${labels}`);
    if (all.length !== buckets.length + 2) throw new Error(`a histogram has one sum and one count: ${name} ${labels}`);
  }
}
