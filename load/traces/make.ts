// `node dist/load/traces/make.js > load/traces/vm-hour.ndjson` writes the published trace anew.
import { fileURLToPath } from 'node:url';

/** What a trace begins with: its first line. */
export interface TraceHead {
  seed: number;
  hosts: number;
  groups: number;
  ms: number;
  /** How old an answer may be, by operation. */
  ttlMs: { vm_list: number; vm_status: number };
}

/** A line: milliseconds since the beginning, and what is asked of which group or host. */
export type TraceStep = [atMs: number, what: 'list' | 'status' | 'start' | 'stop', number: number];

const SEED = 20_261_121;
const HOSTS = 50;
const GROUPS = 5;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** People who look at a group for some minutes, then do something else for some. */
const WATCHERS = 5;
const LOOK_EVERY_MS = 8_000;
/** Virtual machines that are started or stopped alone, half of them by somebody who is looking at their group. */
const CHANGES = 30;
/** Groups that are started or stopped as a whole, by somebody who then asks each second how far it is. */
const SWEEPS = 6;
const SWEEP_LOOKS = 8;

/**
 * An hour of a team at 50 virtual machines in 5 groups, as lines of JSON in the order of time. Each look at a group is a list of it
 * and the status of its machines, one after another as a program's loop asks for them. The same seed gives the same text.
 */
export function makeTrace(seed = SEED): string {
  const random = randomOf(seed);
  const between = (least: number, most: number) => least + random() * (most - least);
  const perGroup = HOSTS / GROUPS;
  const steps: TraceStep[] = [];
  const looks: { at: number; group: number }[] = [];
  for (let watcher = 0; watcher < WATCHERS; watcher++) {
    let now = between(0, 2 * MINUTE_MS);
    while (now < HOUR_MS) {
      const group = Math.floor(random() * GROUPS);
      const end = now + between(2 * MINUTE_MS, 8 * MINUTE_MS);
      for (; now < end; now += LOOK_EVERY_MS * between(0.9, 1.1)) {
        looks.push({ at: now, group });
        steps.push([now, 'list', group]);
        for (let i = 0; i < perGroup; i++) steps.push([now + i * between(5, 40), 'status', group * perGroup + i]);
      }
      now += between(0, 6 * MINUTE_MS);
    }
  }
  for (let change = 0; change < CHANGES; change++) {
    const seen = looks[Math.floor(random() * looks.length)];
    const host = change % 2 === 0 && seen ? seen.group * perGroup + Math.floor(random() * perGroup) : undefined;
    const at = host === undefined || !seen ? random() * HOUR_MS : seen.at + between(0, LOOK_EVERY_MS);
    steps.push([at, random() < 0.5 ? 'start' : 'stop', host ?? Math.floor(random() * HOSTS)]);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const since = random() * (HOUR_MS - MINUTE_MS);
    const group = Math.floor(random() * GROUPS);
    const what = random() < 0.5 ? 'start' : 'stop';
    for (let i = 0; i < perGroup; i++) steps.push([since + i * between(20, 200), what, group * perGroup + i]);
    for (let look = 1; look <= SWEEP_LOOKS; look++) {
      steps.push([since + look * 1_000 * between(0.3, 1), 'list', group]);
      for (let i = 0; i < perGroup; i++)
        steps.push([since + look * 1_000 * between(0.3, 1), 'status', group * perGroup + i]);
    }
  }
  const head: TraceHead = {
    ...{ seed, hosts: HOSTS, groups: GROUPS, ms: HOUR_MS },
    ttlMs: { vm_list: 5 * MINUTE_MS, vm_status: MINUTE_MS },
  };
  const within = steps.map(([at, what, number]): TraceStep => [Math.round(at), what, number]);
  const lines = within.filter(([at]) => at < HOUR_MS).sort(([one], [other]) => one - other);
  return [head, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Mulberry32 (Ettinger, public domain). 0 ≤ x < 1 */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(makeTrace());
