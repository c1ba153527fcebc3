import { setTimeout as wait } from 'node:timers/promises';
import { round } from '../measure.js';
import { startHttpServer } from '../peers/http-server.js';
import { rssAnon } from '../proc.js';
import { type Program, startProgram } from '../program.js';
import type { BareUndici } from '../programs/bare-undici.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ORIGINS = 50;
const HELD = 5_000;
/**
 * These load the code and grow the heaps (the young generations by up to 30 MB), so that the next show what one holds. With
 * 1,500 of them 20 MB of that growth was found in the next: 26 kB a stream in place of 15.
 */
const FIRST = 5_000;
const BUSY = 100;
const EVERY_MS = 100;
/** So much more often before, for a while: at 1,000 events a second a fifth of the CPU was compiling, after 15 s still. */
const WARM_UP_EVERY_MS = 10;
const WARM_UP_MS = 4_000;

/** 5,000 streams of server-sent events that say nothing; 100 with 10 events a second each. */
export const scenario: Scenario = {
  name: 'fetch-sse',
  fixture: 'loopback',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const server = await startHttpServer(ORIGINS);
  const http = { connections: 1_000 };
  const holding = await startProgram<KeylaneDrivers>('keylane-drivers', ['--expose-gc']);
  await holding.ask('start', {
    shards: 2,
    http,
    maxInFlight: 3 * HELD,
    limits: { connectionsPerShard: 3 * HELD, connectionsPerLane: 1_000 },
  });
  const quiet = { driver: 'http', requests: server.origins.map((at) => ({ url: `${at}/events`, events: true })) };
  for (let open = 0; open < FIRST; open += 500) await holding.ask('hold', { ...quiet, count: 500 });
  const before = await settled(holding);
  const held = short ? HELD / 5 : HELD;
  for (let open = 0; open < held; open += 500) await holding.ask('hold', { ...quiet, count: 500 });
  const kbEach = round(((await settled(holding)) - before) / held / 1000);
  await holding.end();

  const [events, bytes, bare] = await Promise.all([
    startProgram<KeylaneDrivers>('keylane-drivers'),
    startProgram<KeylaneDrivers>('keylane-drivers'),
    startProgram<BareUndici>('bare-undici'),
  ]);
  const hold = async (everyMs: number) => {
    const path = `/events?every=${everyMs}`;
    const requests = (rest: object) => server.origins.map((at) => ({ url: `${at}${path}`, ...rest }));
    await events.ask('hold', { driver: 'http', requests: requests({ events: true }), count: BUSY });
    await bytes.ask('hold', { driver: 'http', requests: requests({}), count: BUSY });
    await bare.ask('hold', { path, count: BUSY });
  };
  await events.ask('start', { shards: 1, http });
  await bytes.ask('start', { shards: 1, http });
  await bare.ask('start', { origins: server.origins, connections: BUSY });
  const all = [events, bytes, bare];
  await hold(WARM_UP_EVERY_MS);
  await wait(short ? WARM_UP_MS / 4 : WARM_UP_MS);
  for (const program of all) await (program as Program<BareUndici>).ask('release', undefined);
  await hold(EVERY_MS);
  // All at the same time: whatever else the machine does meets them all.
  await wait(2_000);
  const look = async (program: Program<KeylaneDrivers> | Program<BareUndici>) => {
    const any = program as Program<BareUndici>;
    return { cpu: await any.ask('cpu', undefined), ...(await any.ask('heard', undefined)) };
  };
  const first = await Promise.all(all.map(look));
  const began = performance.now();
  await wait(short ? 3_000 : 20_000);
  const seconds = (performance.now() - began) / 1000;
  const last = await Promise.all(all.map(look));
  await Promise.all(all.map((program) => program.end()));
  await server.stop();
  const [ofEvents, ofBytes, ofBare] = last.map(({ cpu }, i) => (cpu - first[i]!.cpu) / 1e6 / seconds) as [
    number,
    number,
    number,
  ];
  const perSecond = last.map(({ bytes }, i) => (bytes - first[i]!.bytes) / seconds);
  const percent = (share: number) => round(share * 100);
  return {
    figures: {
      kbPerStream: kbEach,
      '% of a core, events': percent(ofEvents),
      '% of a core, bytes': percent(ofBytes),
      chunksPerSecond: Math.round((last[0]!.chunks - first[0]!.chunks) / seconds),
    },
    peers: { 'undici: % of a core': percent(ofBare) },
    ratios: { 'bytes/s ÷ undici': round(perSecond[1]! / perSecond[2]!) },
    targets: [
      { what: 'kB of RssAnon a stream', value: kbEach, atMost: 20 },
      { what: '% of a core over undici, 100 streams, 10 events/s each', value: percent(ofEvents - ofBare), atMost: 5 },
      { what: 'the same, as bytes', value: percent(ofBytes - ofBare), atMost: 5 },
      { what: 'bytes/s ÷ undici', value: round(perSecond[1]! / perSecond[2]!), atLeast: 0.95 },
    ],
  };
}

/** Twice: what the first collection finalizes, the second one frees. */
async function settled(program: Program<KeylaneDrivers>): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await program.ask('collect', { shards: 2 });
    await wait(300);
  }
  return rssAnon(program.pid);
}
