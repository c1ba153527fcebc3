import { type BatchOptions, createEngine, type Engine } from 'keylane';
import { interleave, median, round } from '../measure.js';
import type { CrowdedRequest } from '../peers/crowded.js';
import type { Measured, Scenario } from '../scenario.js';

const DRIVER = new URL('../peers/crowded.js', import.meta.url);
const ROOM = 60;
const LATENCY_MS = 20;
const FIXED = [15, 30, 60, 90, 120, 240];
const LEARN_MS = 5_000;
const WINDOW_MS = 2_000;
const FLEET = 4_000;
const PEER = 64;

/** What `concurrency: 'auto'` finds: one host with a capacity that it does not tell, and a fleet of fast, slow and dead hosts. */
export const scenario: Scenario = {
  name: 'adaptive',
  fixture: 'dispatch',
  limitSeconds: 90,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const engine = await createEngine({ shards: 1, drivers: [DRIVER], onEvent: () => {} });
  const fixed: Record<string, number> = {};
  for (const concurrency of FIXED) {
    fixed[concurrency] = round(await answersPerSecond(engine, { concurrency }, 500, 1_500));
  }
  const learned = round(await answersPerSecond(engine, {}, LEARN_MS, WINDOW_MS));
  const best = Math.max(...Object.values(fixed));

  const rounds = await interleave(1, {
    auto: () => sweep({}),
    fixed: () => sweep({ concurrency: PEER }),
  });
  await engine.close();
  const [autoMs, fixedMs] = [median(rounds.auto), median(rounds.fixed)];
  const [ofBest, faster] = [round(learned / best), round(fixedMs / autoMs)];
  return {
    figures: {
      'one host': { requestsPerSecond: learned },
      'mixed fleet': { seconds: round(autoMs / 1000) },
    },
    peers: {
      'one host, requests/s by fixed concurrency': fixed,
      [`mixed fleet, concurrency ${PEER}`]: { seconds: round(fixedMs / 1000) },
    },
    ratios: { 'requests/s ÷ best fixed': ofBest, [`time of ${PEER} ÷ time`]: faster },
    targets: [
      { what: 'one host: requests/s after 5 s ÷ the best fixed concurrency', value: ofBest, atLeast: 0.9 },
      { what: `mixed fleet: time of concurrency ${PEER} ÷ time`, value: faster, atLeast: 1.1 },
    ],
  };
}

/** Of a host with room for 60, after `warmMs`. */
async function answersPerSecond(
  engine: Engine,
  options: BatchOptions<CrowdedRequest>,
  warmMs: number,
  windowMs: number,
): Promise<number> {
  const begun = performance.now();
  let count = 0;
  for await (const { outcome } of engine.batch('crowded', endless(), { ...options, attempts: 1 })) {
    if (outcome !== 'ok') throw new Error(`the host answered ${outcome}`);
    const ms = performance.now() - begun;
    if (ms > warmMs + windowMs) break;
    if (ms > warmMs) count++;
  }
  return (count * 1000) / windowMs;
}

function* endless(): Generator<CrowdedRequest> {
  for (;;) yield { key: 'host', ms: LATENCY_MS, room: ROOM };
}

/**
 * Milliseconds for a fleet of 1,000 hosts, four requests each: 80 % answer in 10 ms, 15 % in 1 s, 5 % refuse. One try each:
 * with more, both would wait half a minute for the breakers of those that refuse.
 */
async function sweep(options: BatchOptions<CrowdedRequest>): Promise<number> {
  // A new one each time: what it has learned of dead hosts is not the other's to know.
  const engine = await createEngine({ shards: 1, drivers: [DRIVER], onEvent: () => {} });
  const begun = performance.now();
  let count = 0;
  for await (const { request, outcome } of engine.batch('crowded', fleet(), { ...options, attempts: 1 })) {
    count++;
    if ((outcome === 'ok') === (request.refuses === true)) throw new Error(`${request.key}: ${outcome}`);
  }
  const ms = performance.now() - begun;
  await engine.close();
  if (count !== FLEET) throw new Error(`${count} results`);
  return ms;
}

function* fleet(): Generator<CrowdedRequest> {
  for (let i = 0; i < FLEET; i++) {
    const host = i % 1_000;
    const kind = host % 20;
    const key = `host-${host}`;
    if (kind === 0) yield { key, ms: 0, refuses: true };
    else yield { key, ms: kind <= 3 ? 1_000 : 10 };
  }
}
