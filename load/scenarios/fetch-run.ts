import { cpuEach, interleave, median, perSecond, round } from '../measure.js';
import { startHttpServer } from '../peers/http-server.js';
import { startProgram } from '../program.js';
import type { BareUndici } from '../programs/bare-undici.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const ORIGINS = 8;
const LANES = 64;
const REQUESTS = 20_000;
const ROUNDS = 7;
/**
 * Of each program, before its first round. Every thread compiles the code for itself: one thread has done so after 20,000
 * requests, two shards that share them after 60,000. Of their CPU until then a half was compiling, or code that was not compiled.
 */
const WARM_UP = 60_000;

/** GETs of 8 origins, 64 in flight, over connections that are kept; the server is node:http in a process of its own. */
export const scenario: Scenario = {
  name: 'fetch-run',
  fixture: 'loopback',
  limitSeconds: 90,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const server = await startHttpServer(ORIGINS);
  const [one, two, bare] = await Promise.all([
    startProgram<KeylaneDrivers>('keylane-drivers'),
    startProgram<KeylaneDrivers>('keylane-drivers'),
    startProgram<BareUndici>('bare-undici'),
  ]);
  const http = { connections: LANES / ORIGINS };
  await one.ask('start', { shards: 1, http });
  await two.ask('start', { shards: 2, http });
  await bare.ask('start', { origins: server.origins, connections: LANES / ORIGINS });
  const count = short ? REQUESTS / 4 : REQUESTS;
  const asked = {
    driver: 'http',
    requests: server.origins.map((origin) => ({ url: `${origin}/` })),
    lanes: LANES,
    count,
  };
  for (const program of [one, two]) await program.ask('run', { ...asked, count: WARM_UP });
  await bare.ask('run', { lanes: LANES, count: WARM_UP });
  const rounds = await interleave(short ? 2 : ROUNDS, {
    two: () => two.ask('run', asked),
    bare: () => bare.ask('run', { lanes: LANES, count }),
    one: () => one.ask('run', asked),
  });
  await Promise.all([one.end(), two.end(), bare.end()]);
  await server.stop();

  const figures = (name: keyof typeof rounds) => ({
    requestsPerSecond: Math.round(median(rounds[name].map(perSecond))),
    cpuUsPerRequest: round(median(rounds[name].map(cpuEach))),
  });
  const times = (name: keyof typeof rounds) =>
    round(median(rounds[name].map((work, i) => perSecond(work) / perSecond(rounds.bare[i]!))));
  const cpu = (name: keyof typeof rounds) =>
    round(median(rounds[name].map((work, i) => cpuEach(work) / cpuEach(rounds.bare[i]!))));
  return {
    figures: { '2 shards': figures('two'), '1 shard': figures('one') },
    peers: { "undici's Pool": figures('bare') },
    ratios: {
      "requests/s ÷ undici's Pool": times('two'),
      'CPU ÷ undici': cpu('two'),
      'requests/s ÷ undici, 1 shard': times('one'),
      'CPU ÷ undici, 1 shard': cpu('one'),
    },
    targets: [
      { what: "requests/s ÷ undici's Pool, 2 shards", value: times('two'), atLeast: 0.8 },
      { what: 'CPU a request ÷ undici', value: cpu('two'), atMost: 1.4 },
    ],
  };
}
