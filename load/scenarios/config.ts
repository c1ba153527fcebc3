import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigSource, expandHosts, loadConfig, loadFleet } from '../../src/index.js';
import { median, round } from '../measure.js';
import type { Measured, Scenario } from '../scenario.js';

const HOSTS = 1_000;
const ROUNDS = 15;
const LOOKS = 1_000;
/** From then on a file counts as unchanged: its clock has gone on. */
const SETTLED_MS = 150;

/** keylane.yaml of 1,000 hosts, a line each, in 20 groups: read anew, and looked at when nothing has changed. */
export const scenario: Scenario = {
  name: 'config',
  fixture: 'dispatch',
  limitSeconds: 30,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const file = join(dir, 'keylane.yaml');
  const groups = Array.from({ length: 20 }, (_, group) => {
    const hosts = Array.from({ length: HOSTS / 20 }, (_, i) => `      - rack-${group}-${i}.example`).join('\n');
    return `  g${group}:\n    limit: 5\n    ssh: { user: u${group}, port: ${2_000 + group} }\n    hosts:\n${hosts}\n`;
  });
  writeFileSync(file, `shards: 2\nlimits: { idleMs: 1000 }\ngroups:\n${groups.join('')}`);
  const how = { cwd: dir, env: { HOME: dir } };
  const read: number[] = [];
  const fleet: number[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    let since = performance.now();
    const config = await loadConfig(how);
    read.push(performance.now() - since);
    since = performance.now();
    const { hostsOf, of } = await loadFleet(config);
    for (const host of expandHosts('@g0,@g19', hostsOf)) if (!of(host).request.port) throw new Error('no port');
    fleet.push(performance.now() - since);
  }
  const source = new ConfigSource(how);
  const first = await source.current();
  const begun = performance.now();
  while (performance.now() - begun < SETTLED_MS) await source.current();
  const unchanged: number[] = [];
  for (let i = 0; i <= ROUNDS; i++) {
    const since = performance.now();
    for (let look = 0; look < LOOKS; look++) if ((await source.current()) !== first) throw new Error('another');
    unchanged.push((performance.now() - since) / LOOKS);
  }
  utimesSync(file, 1, 1);
  if ((await source.current()) !== first) throw new Error('the same file, and another configuration');
  rmSync(dir, { recursive: true });
  // The first of each has code to compile.
  const [readMs, fleetMs, unchangedUs] = [read, fleet, unchanged].map((all) => median(all.slice(1))) as [
    number,
    number,
    number,
  ];
  return {
    figures: { msToRead: round(readMs), msForTheFleet: round(fleetMs), usUnchanged: round(unchangedUs * 1_000) },
    peers: {},
    ratios: {},
    targets: [
      { what: 'ms for a look where nothing has changed', value: round(unchangedUs), atMost: 1 },
      { what: 'ms to read 1,000 hosts', value: round(readMs), atMost: 100 },
    ],
  };
}
