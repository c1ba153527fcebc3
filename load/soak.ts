// `npm run soak -- 24h`: an engine in a process of its own, 50 hosts behind fault proxies, shards that are killed; does it
// hold? Prints a line every 5 s, then the verdicts. Exit status: 0 all hold, 1 not all, 2 asked wrongly or cannot start.

import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../test/support/random.js';
import { startProgram } from './program.js';
import type { SoakEngine } from './programs/soak-engine.js';
import { startFleet } from './soak/fleet.js';
import { type Look, type Soaked, verdictsOf } from './soak/verdicts.js';

const USAGE = 'npm run soak -- DURATION [SEED]    DURATION as 1m, 24h; at least 30s';
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600 };
/** A shard is killed in the middle of each period, and at its end the engine rests. */
const PERIOD_SECONDS = 600;
const SHORT_PERIOD_SECONDS = 15;
const LINE_SECONDS = 5;

process.exitCode = await main();

async function main(): Promise<number> {
  const [duration = '', seedText = process.env.SEED ?? ''] = process.argv.slice(2);
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(duration) ?? [];
  const seconds = Number(count) * (UNITS[unit] ?? 0);
  const seed = seedText === '' ? Math.floor(Math.random() * 2 ** 32) : Number(seedText);
  if (!(seconds >= 30) || !Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  say(`SEED=${seed} repeats the random choices of this run`);
  const verdicts = verdictsOf(await soak(seconds, seed));
  for (const { what, ok, says } of verdicts) say(`${ok ? 'ok' : 'FAILED'}: ${what}: ${says}`);
  const failed = verdicts.filter(({ ok }) => !ok).length;
  say(`\nthe soak of ${duration} ${failed === 0 ? 'held' : `FAILED in ${failed}`}; SEED=${seed}`);
  return failed === 0 ? 0 : 1;
}

async function soak(seconds: number, seed: number): Promise<Soaked> {
  const random = new Random(seed);
  const fleet = await startFleet(random);
  const engine = await startProgram<SoakEngine>('soak-engine', ['--expose-gc']);
  try {
    const { real, light, inner, knownHosts, files, faults } = fleet;
    await engine.ask('start', { hosts: { real, light, inner, knownHosts, files }, seed: random.below(2 ** 32) });
    const period = seconds < 1_800 ? SHORT_PERIOD_SECONDS : PERIOD_SECONDS;
    const begun = performance.now();
    const elapsed = () => (performance.now() - begun) / 1_000;
    const rests: Soaked['rests'] = [];
    for (let end = Math.min(period, seconds); ; end = Math.min(end + period, seconds)) {
      const killAt = end - period / 2;
      let killed = false;
      for (let next = elapsed(); elapsed() < end; ) {
        if (elapsed() >= next) {
          say(lineOf(elapsed(), await engine.ask('look', undefined)));
          next += LINE_SECONDS;
        }
        if (!killed && elapsed() >= killAt) {
          killed = true;
          await engine.ask('kill', undefined);
        }
        await wait(Math.max(0, Math.min(next, end, killed ? end : killAt) - elapsed()) * 1_000);
      }
      const goOn = end < seconds;
      rests.push({ atSeconds: elapsed(), ...(await engine.ask('rest', { goOn })) });
      if (!goOn) break;
    }
    const last = await engine.ask('look', undefined);
    say(lineOf(elapsed(), last));
    say(`faults ${JSON.stringify(faults)}\ncodes ${JSON.stringify(last.codes)}\nevents ${JSON.stringify(last.events)}`);
    return { seconds, rests, last, closed: await engine.ask('close', undefined) };
  } finally {
    await engine.end();
    await fleet.stop();
  }
}

function lineOf(elapsed: number, look: Look): string {
  const { submitted, outcomes, pending, fds, heapBytes, rssBytes, connections, restarts } = look;
  const ends = ['ok', 'failed', 'not_started', 'unknown', 'canceled'].map((name) => `${name} ${outcomes[name] ?? 0}`);
  const mib = (bytes: number) => `${Math.round(bytes / (1 << 20))} MiB`;
  return [
    `${Math.round(elapsed)} s`,
    `requests ${submitted} (${ends.join(', ')}, pending ${pending})`,
    `fds ${fds}`,
    `heap ${mib(heapBytes)}`,
    `rss ${mib(rssBytes)}`,
    `connections ${connections}`,
    `restarts ${restarts}`,
  ].join('  ');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
