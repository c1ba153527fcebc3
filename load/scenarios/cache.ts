import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type CallOptions, createEngine, type Engine } from 'keylane';
import { interleave, keepInFlight, median, msEach, round, type Work } from '../measure.js';
import { rssAnon } from '../proc.js';
import { startProgram } from '../program.js';
import type { CacheFill } from '../programs/cache-fill.js';
import type { Measured, Scenario } from '../scenario.js';

/** As in engine-lone: a round and its neighbour meet the same machine. */
const LONE = { lanes: 1, ms: 50, rounds: 50 };
const MANY = { lanes: 1_000, ms: 300, rounds: 7 };
/** Of each kind, one at a time. */
const MISSES = 300;
const MISS_MS = 5;
/** As much as 10,000 answers count for. They are asked for twice as many: half of them are put out again. */
const BOUND_BYTES = 108 * 1024 * 1024;
const ENTRIES = 20_000;
const ENTRY_BYTES = 10_240;

/** What it costs to remember: a hit in the shard, a hit on disk, a miss; and what remembered answers take of memory. */
export const scenario: Scenario = { name: 'cache', fixture: 'dispatch', limitSeconds: 90, binding: false, measure };

async function measure(): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-load-'));
  const engine = await createEngine({ shards: 1, dataDir: dir });
  const keys = Array.from({ length: MANY.lanes }, (_, i) => `host-${i}`);
  const [none, cache, persist] = [{}, { cache: true }, { cache: { persist: true } }];
  const echo = (how: CallOptions) => (lane: number) => engine.run('echo', { key: keys[lane]!, payload: 'uptime' }, how);
  for (let lane = 0; lane < MANY.lanes; lane++) await Promise.all([echo(cache)(lane), echo(persist)(lane)]);
  // What is kept on disk is so soon after the answer.
  await wait(500);
  const rounds = ({ lanes, ms, rounds }: typeof LONE, of: Record<string, (lane: number) => Promise<unknown>>) => {
    const runs = Object.entries(of).map(([name, one]) => [name, () => keepInFlight(lanes, ms, one)] as const);
    return interleave(rounds, Object.fromEntries(runs));
  };
  const lone = await rounds(LONE, { echo: echo(none), hit: echo(cache), disk: echo(persist) });
  const many = await rounds(MANY, { echo: echo(none), hit: echo(cache), disk: echo(persist) });
  const miss = missOf(engine);
  const misses = await interleave(MISSES, {
    echo: () => miss(none),
    miss: () => miss(cache),
    kept: () => miss(persist),
  });
  const { operations } = await engine.cache.stats();
  await engine.close();
  rmSync(dir, { recursive: true });
  const { heldBytes, entries, heapBytes, rssBytes } = await memory();

  const us = (of: Record<string, Work[]>, name: string) => round(1000 * median(of[name]!.map(msEach)));
  const ratio = (of: Record<string, Work[]>, name: string) =>
    round(median(of[name]!.map((work, i) => msEach(work) / msEach(of.echo![i]!))));
  const diskMore = round((us(lone, 'disk') - us(lone, 'hit')) / 1000);
  const missMs = (name: keyof typeof misses) => round(mostly(misses[name]));
  const [missRatio, keptRatio] = [round(missMs('miss') / missMs('echo')), round(missMs('kept') / missMs('echo'))];
  const mb = (bytes: number) => round(bytes / 1e6);
  return {
    figures: {
      'µs of a hit, one at a time': { 'in the shard': us(lone, 'hit'), 'on disk': us(lone, 'disk') },
      'µs of a hit, 1,000 in flight': { 'in the shard': us(many, 'hit'), 'on disk': us(many, 'disk') },
      'ms of a miss': { remembered: missMs('miss'), 'on disk too': missMs('kept') },
      'hit ratio of the run': round(operations.echo?.hitRatio ?? 0),
      'full memory': {
        boundMb: mb(BOUND_BYTES),
        heldMb: mb(heldBytes),
        entries,
        heapMb: mb(heapBytes),
        rssMb: mb(rssBytes),
      },
    },
    peers: {
      echo: { us: us(lone, 'echo'), 'us, 1,000 in flight': us(many, 'echo'), 'ms of 5': missMs('echo') },
    },
    ratios: {
      'a hit ÷ echo': ratio(lone, 'hit'),
      'a hit ÷ echo, 1,000 in flight': ratio(many, 'hit'),
      'a miss ÷ a request of 5 ms': missRatio,
      'a miss that is kept on disk ÷ a request of 5 ms': keptRatio,
    },
    targets: [
      { what: 'a hit in the shard ÷ an echo round trip', value: ratio(lone, 'hit'), atMost: 1.1 },
      { what: 'the same, 1,000 in flight', value: ratio(many, 'hit'), atMost: 1.1 },
      { what: 'ms that a hit on disk takes longer', value: diskMore, atMost: 0.2 },
      { what: 'a miss ÷ a request of 5 ms', value: missRatio, atMost: 1.03 },
      {
        what: 'bytes of the shard’s heap and buffers ÷ the bound',
        value: round(heapBytes / BOUND_BYTES),
        atMost: 1.05,
      },
      { what: 'the same', value: round(heapBytes / BOUND_BYTES), atLeast: 0.95 },
    ],
    notes: ['a hit on disk is compared with one in the shard; the main thread gives it, so nothing of it overlaps'],
  };
}

/**
 * Milliseconds of a request that nobody has asked yet. Its peer's timer ticks in milliseconds: begun at random moments, so
 * that a little more or less is seen as just that and not as a tick.
 */
function missOf(engine: Engine) {
  let number = 0;
  return async (how: CallOptions) => {
    const begin = performance.now() + Math.random();
    while (performance.now() < begin) {}
    const since = performance.now();
    await engine.run('echo', { key: 'host-0', payload: `uptime ${number++}`, delayMs: MISS_MS }, how);
    return performance.now() - since;
  };
}

/** The mean of all but the slowest tenth, which met something else. */
function mostly(values: readonly number[]): number {
  const kept = [...values].sort((a, b) => a - b).slice(0, Math.ceil(values.length * 0.9));
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/** What a shard that remembers as much as it may takes more than before. */
async function memory(): Promise<Record<'heldBytes' | 'entries' | 'heapBytes' | 'rssBytes', number>> {
  const program = await startProgram<CacheFill>('cache-fill', ['--expose-gc']);
  await program.ask('start', {
    bytes: BOUND_BYTES,
    gcDriver: new URL('../programs/gc-driver.js', import.meta.url).href,
  });
  const size = ENTRY_BYTES;
  // The code is loaded and the heaps have grown; and what the cache itself takes of code and tables is there.
  await program.ask('ask', { count: ENTRIES, size, cache: false });
  await program.ask('ask', { count: 100, size: 10, cache: true });
  const settled = async () => {
    let heap = 0;
    for (let i = 0; i < 3; i++) {
      heap = await program.ask('collect', undefined);
      await wait(100);
    }
    return { heap, rss: rssAnon(program.pid) };
  };
  const before = await settled();
  await program.ask('ask', { count: ENTRIES, size, cache: true });
  const after = await settled();
  const { entries, bytes: heldBytes } = await program.ask('held', undefined);
  await program.end();
  return { heldBytes, entries, heapBytes: after.heap - before.heap, rssBytes: after.rss - before.rss };
}
