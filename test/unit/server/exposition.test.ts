import { expect, test } from 'vitest';
import { Exposition } from '../../../src/server/metrics/text.js';
import { parseExposition, valueIn } from '../../support/prometheus.js';

test('samples of one metric come out together, with its help and type, in whatever order they were added', () => {
  const out = new Exposition();
  out.add('keylane_lanes', { shard: 0 }, 3);
  out.add('keylane_keys', { shard: 0 }, 2);
  out.add('keylane_lanes', { shard: 1 }, 5);
  const scrape = parseExposition(out.text);
  expect(valueIn(scrape, 'keylane_lanes', { shard: '1' })).toBe(5);
  expect(valueIn(scrape, 'keylane_keys')).toBe(2);
  expect(scrape.get('keylane_lanes')).toMatchObject({ type: 'gauge', help: 'Lanes that have a pool.' });
});

test.each(['plain', 'quo"te', 'back\\slash', 'two\nlines', '\\n', '}{,="', 'žluť 🐎', ''])(
  'a label value is read back as it was: %j',
  (group) => {
    const out = new Exposition();
    out.add('keylane_group_limit', { group }, 1);
    expect(parseExposition(out.text).get('keylane_group_limit')?.samples[0]?.labels).toEqual({ group });
  },
);

test('a histogram adds up its buckets, and ends with all', () => {
  const out = new Exposition();
  out.histogram('keylane_request_run_seconds', { driver: 'echo' }, { bounds: [0.001, 1], counts: [3, 0, 2], sum: 7.5 });
  const scrape = parseExposition(out.text);
  const bucket = (le: string) => valueIn(scrape, 'keylane_request_run_seconds_bucket', { driver: 'echo', le });
  expect([bucket('0.001'), bucket('1'), bucket('+Inf')]).toEqual([3, 3, 5]);
  expect(valueIn(scrape, 'keylane_request_run_seconds_sum')).toBe(7.5);
  expect(valueIn(scrape, 'keylane_request_run_seconds_count')).toBe(5);
});

test('numbers without an end are written as Prometheus has them', () => {
  const out = new Exposition();
  out.add('keylane_lanes', { shard: 0 }, Number.POSITIVE_INFINITY);
  out.add('keylane_lanes', { shard: 1 }, Number.NaN);
  out.add('keylane_lanes', { shard: 2 }, 1e21);
  const values = parseExposition(out.text)
    .get('keylane_lanes')
    ?.samples.map(({ value }) => value);
  expect(values).toEqual([Number.POSITIVE_INFINITY, Number.NaN, 1e21]);
});

test('5,000 series are written in a few milliseconds of CPU time', () => {
  const write = () => {
    const out = new Exposition();
    for (let key = 0; key < 1_000; key++) {
      const labels = { shard: key % 4, state: `host-${key}.example:22` };
      for (const name of ['keylane_lanes', 'keylane_keys', 'keylane_connections'] as const) out.add(name, labels, key);
      out.add('keylane_requests_waiting', labels, key);
      out.add('keylane_requests_queued', labels, key);
    }
    return out.text;
  };
  for (let warm = 0; warm < 5; warm++) write();
  // The promise is 10 ms; the least of some, because other processes share the machine.
  const times = Array.from({ length: 10 }, () => {
    const before = process.cpuUsage();
    expect(write().split('\n').length).toBeGreaterThan(5_000);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  console.log(`5,000 series: ${times.map((ms) => ms.toFixed(1)).join(' ')} ms`);
  expect(Math.min(...times)).toBeLessThan(10);
});

test.each([
  ['no end of the last line', '# HELP a b\n# TYPE a gauge\na 1'],
  ['no help', '# TYPE a gauge\na 1\n'],
  ['no type', '# HELP a b\na 1\n'],
  ['a series twice', '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n'],
  ['a metric in two places', '# HELP a b\n# TYPE a gauge\na 1\n# HELP b b\n# TYPE b gauge\nb 1\na{x="1"} 1\n'],
  ['a counter without _total', '# HELP a b\n# TYPE a counter\na 1\n'],
  ['a label that is not escaped', '# HELP a b\n# TYPE a gauge\na{x="\\q"} 1\n'],
  [
    'buckets that go down',
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
  ],
])('the parser of these tests refuses %s', (_what, text) => {
  expect(() => parseExposition(text)).toThrow();
});
