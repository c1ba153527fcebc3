import { median, round } from '../measure.js';
import { latencies, OpenLoop, requestText } from '../open-loop.js';
import { sampled } from '../proc.js';
import { startProgram } from '../program.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const KEYS = 100;
const OPEN_MS = 10;
const RUN_MS = 5;
/** Requests a second, and the P95 that is asked of them (REQUIREMENTS A19). */
const LEVELS = [
  { rate: 10, p95: 15 },
  { rate: 100, p95: 20 },
  { rate: 500, p95: 25 },
  { rate: 1_000, p95: 30 },
  { rate: 5_000, p95: 50 },
];

/** The levels of A19 over HTTP: 100 keys, 10 ms to open, 5 ms to run; each key opened once before. */
export const scenario: Scenario = {
  name: 'http-levels',
  fixture: 'dispatch',
  limitSeconds: 120,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const program = await startProgram<ServiceProgram>('service');
  const { url, token } = await program.ask('start', { engine: { shards: 1 } });
  const textsOf = (name: string) =>
    Array.from({ length: KEYS }, (_, i) =>
      requestText(url, token, {
        driver: 'echo',
        request: { key: `${name}-${i}`, payload: 'uptime', openMs: OPEN_MS, delayMs: RUN_MS },
      }),
    );
  const client = new OpenLoop(url);
  await client.open(50);
  // The code is warm before anything counts; the keys of the levels are others.
  await client.fire(textsOf('before'), 1_000, 2);
  const cold = await client.fire(textsOf('host'), 100, 1);
  const levels: { rate: number; ms: ReturnType<typeof latencies>; p95: number; lost: number }[] = [];
  let flat = 0;
  for (const { rate, p95 } of LEVELS) {
    const firing = client.fire(textsOf('host'), rate, short ? 2 : 10);
    const memory = sampled(program.pid, firing);
    const { okMs, sent } = await firing;
    levels.push({ rate, p95, ms: latencies(okMs), lost: sent - okMs.length });
    const samples = await memory;
    const quarter = (n: number) => median(samples.slice((samples.length * n) >> 2, (samples.length * (n + 1)) >> 2));
    flat = round(quarter(3) / quarter(1));
  }
  client.close();
  await program.end();

  return {
    figures: {
      ...Object.fromEntries(levels.map(({ rate, ms }) => [`ms at ${rate}/s`, ms])),
      'ms of the first request of a key, at 100/s': latencies(cold.okMs),
    },
    peers: { 'the work itself': { ms: RUN_MS } },
    ratios: { 'RssAnon, last quarter ÷ second, at 5,000/s': flat },
    targets: [
      ...levels.map(({ rate, ms, p95 }) => ({ what: `P95 at ${rate}/s, ms`, value: ms.p95, atMost: p95 })),
      { what: 'refused or lost', value: levels.reduce((sum, { lost }) => sum + lost, 0), atMost: 0 },
      { what: 'RssAnon at 5,000/s, last quarter ÷ second', value: flat, atMost: 1.1 },
    ],
  };
}
