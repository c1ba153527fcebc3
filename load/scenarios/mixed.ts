import { setInterval as every } from 'node:timers/promises';
import { median, round } from '../measure.js';
import { startMixedPeers } from '../mixed.js';
import { startProgram } from '../program.js';
import type { KeylaneMixed, Seen } from '../programs/keylane-mixed.js';
import type { Figures, Measured, Scenario, Size } from '../scenario.js';

const DRIVERS = ['echo', 'ssh', 'smtp', 'stdio', 'http'] as const;
const ROUNDS = 6;
const SECONDS = { alone: 5, together: 10 };
const HURT_EVERY_MS = 3_000;

/**
 * All drivers on one engine for a minute in all, while connections are cut, a process is killed and some peers say no. In
 * turn with each of them alone on it, the other four being at work on another engine meanwhile: so the machine has the same
 * to do, and what differs is whose engine it is.
 */
export const scenario: Scenario = { name: 'mixed', fixture: 'loopback', limitSeconds: 420, binding: false, measure };

async function measure({ short }: Size): Promise<Measured> {
  const peers = await startMixedPeers();
  const program = await startProgram<KeylaneMixed>('keylane-mixed', ['--expose-gc']);
  const other = await startProgram<KeylaneMixed>('keylane-mixed', ['--expose-gc']);
  for (const one of [program, other]) {
    await one.ask('start', {
      options: { shards: 2, limits: { idleMs: 1_000 }, ssh: { agent: 'none' }, stdio: { servers: peers.servers } },
      mixes: peers.mixes,
    });
  }
  const hurts = { connections: 0, processes: 0 };
  const stop = new AbortController();
  const hurting = (async () => {
    for await (const _ of every(HURT_EVERY_MS, undefined, { signal: stop.signal })) {
      const { connections = 0, processes = 0 } = peers.hurt(program.pid);
      hurts.connections += connections;
      hurts.processes += processes;
    }
  })().catch(() => {});
  const alone: Record<string, Seen[]> = {};
  const together: Record<string, Seen[]> = {};
  const go = async (into: Record<string, Seen[]>, drivers: readonly string[], whole: number) => {
    const seconds = short ? whole / 5 : whole;
    const others = DRIVERS.filter((driver) => !drivers.includes(driver));
    const elsewhere = other.ask('go', { drivers: others, seconds });
    const all = await program.ask('go', { drivers, seconds });
    await elsewhere;
    for (const driver of drivers) into[driver] = [...(into[driver] ?? []), all[driver]!];
  };
  // Warm: the code is loaded, and what a process keeps for ever is there.
  await other.ask('go', { drivers: DRIVERS, seconds: short ? 1 : SECONDS.alone });
  await go({}, DRIVERS, SECONDS.together);
  const rounds = short ? 2 : ROUNDS;
  let before = await program.ask('rest', undefined);
  for (let i = 0; i < rounds; i++) {
    // What is compiled in the first rounds is no leak.
    if (i === Math.floor(rounds / 3)) before = await program.ask('rest', undefined);
    for (const driver of DRIVERS) await go(alone, [driver], SECONDS.alone);
    await go(together, DRIVERS, SECONDS.together);
  }
  stop.abort();
  await hurting;
  const after = await program.ask('rest', undefined);
  const closed = await program.ask('close', undefined);
  await other.ask('close', undefined);
  await Promise.all([program.end(), other.end()]);
  await peers.stop();

  const of = (rounds: Seen[], figure: 'perSecond' | 'p50Ms' | 'p95Ms') => median(rounds.map((seen) => seen[figure]));
  const figures: Figures = {};
  const ratios: Record<string, number> = {};
  for (const driver of DRIVERS) {
    const [one, all] = [alone[driver]!, together[driver]!];
    ratios[`${driver}: answers/s ÷ alone`] = round(of(all, 'perSecond') / of(one, 'perSecond'));
    figures[driver] = {
      perSecond: round(of(all, 'perSecond')),
      p50Ms: round(of(all, 'p50Ms')),
      p95Ms: round(of(all, 'p95Ms')),
      alone: { perSecond: round(of(one, 'perSecond')), p50Ms: round(of(one, 'p50Ms')), p95Ms: round(of(one, 'p95Ms')) },
      others: sum([...one, ...all].map(({ others }) => others)),
    };
  }
  const wrong = Object.values({ ...alone, ...together }).flatMap((rounds) => rounds.flatMap((seen) => seen.wrong));
  return {
    figures: { ...figures, hurts, before: { ...before }, after: { ...after } },
    peers: {},
    ratios,
    targets: [
      ...Object.entries(ratios).map(([what, value]) => ({ what, value, atLeast: 0.9 })),
      { what: 'errors that are none of keylane', value: wrong.length, atMost: 0 },
      { what: 'connections at rest', value: after.connections, atMost: 0 },
      { what: 'more file descriptors at rest', value: after.fds - before.fds, atMost: 5 },
      { what: 'more processes at rest', value: after.processes - before.processes, atMost: 0 },
      { what: 'processes after close', value: closed.processes, atMost: 0 },
      { what: 'more MB of heap at rest', value: round(after.heapMb - before.heapMb), atMost: 4 },
    ],
    notes: [
      'each caller waits 10 ms after an answer, so answers/s fall where answers come later',
      ...wrong.slice(0, 3),
    ],
  };
}

function sum(all: Record<string, number>[]): Figures {
  const total: Record<string, number> = {};
  for (const one of all) for (const [name, count] of Object.entries(one)) total[name] = (total[name] ?? 0) + count;
  return total;
}
