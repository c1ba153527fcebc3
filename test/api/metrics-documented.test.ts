import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METRICS } from '../../src/server/metrics/catalogue.js';
import { parseExposition, type Scraped } from '../support/prometheus.js';
import { TestService } from '../support/service.js';

let its: TestService;
let scrape: ReadonlyMap<string, Scraped>;

/** A service that has done a little of everything, and what it says then. */
beforeAll(async () => {
  const limits = { groups: { some: 10 }, ratePerKey: 1_000, breaker: { failures: 1 } };
  its = await TestService.start({ engine: { shards: 2, limits }, metrics: { keys: true } });
  await its.call('POST', '/v1/run', { driver: 'echo', request: { key: 'a' } });
  await its.call('POST', '/v1/run', { driver: 'echo', request: { key: 'a', fault: 'ERR_CONNECT' } });
  await its.call('GET', '/v1/none');
  await its.call('GET', '/v1/stats/history?last=none');
  const answer = await its.call('GET', '/metrics');
  scrape = parseExposition(await answer.text());
});
afterAll(() => its.stop());

test('every metric that is exposed is in the table, with its type and its labels, and nothing else is', () => {
  for (const [name, { type, labels, help }] of Object.entries(METRICS)) {
    const scraped = scrape.get(name);
    expect(scraped, `${name} is not exposed`).toBeDefined();
    expect([name, scraped?.type, scraped?.help]).toEqual([name, type, help]);
    const seen = new Set(scraped?.samples.flatMap((sample) => Object.keys(sample.labels)));
    seen.delete('le');
    expect([name, [...seen].sort()]).toEqual([name, [...labels].sort()]);
  }
  expect([...scrape.keys()].filter((name) => !(name in METRICS))).toEqual([]);
});

test('names are as Prometheus wants them: base units, plain ASCII, a help of one line that is a sentence', () => {
  for (const [name, { help }] of Object.entries(METRICS)) {
    expect(name).toMatch(/^(keylane|process)_[a-z][a-z0-9_]*[a-z]$/);
    expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|percent|count|sum|bucket)(_|$)/);
    expect(help).toMatch(/^[A-Z0-9][^\n\\]*\.$/);
  }
});

test('docs/metrics.md says what the table says', () => {
  const check = () => execFileSync(process.execPath, ['scripts/metrics-doc.mjs', '--check'], { stdio: 'pipe' });
  expect(check).not.toThrow();
});

test.each(['docs/grafana-dashboard.json', 'docs/alerts.yml'])(
  '%s asks for metrics that are exposed, and labels that they have',
  (file) => {
    const text = readFileSync(file, 'utf8');
    const asked = [...text.matchAll(/\b((?:keylane|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)];
    expect(asked.length).toBeGreaterThan(10);
    for (const [, name = '', matchers = ''] of asked) {
      const [metric, part] = /^(.*)_(bucket|sum|count)$/.exec(name)?.slice(1) ?? [name];
      const known = METRICS[(name in METRICS ? name : metric) as keyof typeof METRICS] as
        | (typeof METRICS)[keyof typeof METRICS]
        | undefined;
      expect(known, name).toBeDefined();
      if (!(name in METRICS)) expect([name, known?.type, part]).toEqual([name, 'histogram', part]);
      const labels = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label);
      const own: readonly string[] = known?.labels ?? [];
      for (const label of labels) expect([...own, 'job', 'instance', 'le'], `${name}{${label}}`).toContain(label);
    }
  },
);

test('the dashboard is one that Grafana takes: panels with ids of their own, on a grid of 24, that do not lie on each other', () => {
  interface Panel {
    id: number;
    type: string;
    title: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { expr: string; refId: string }[];
  }
  const { title, uid, panels } = JSON.parse(readFileSync('docs/grafana-dashboard.json', 'utf8')) as {
    title: string;
    uid: string;
    panels: Panel[];
  };
  expect([title, uid]).toEqual(['keylane', 'keylane']);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const taken = new Set<string>();
  for (const { type, title: name, gridPos, targets } of panels) {
    expect(name).not.toBe('');
    if (type !== 'row') expect(targets?.length, name).toBeGreaterThan(0);
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        expect(taken.has(`${x},${y}`), `${name} lies on another panel`).toBe(false);
        taken.add(`${x},${y}`);
      }
  }
});
