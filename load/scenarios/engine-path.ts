import { createEngine } from 'keylane';
import { Piscina } from 'piscina';
import { cpuEach, interleave, keepInFlight, median, perSecond, round } from '../measure.js';
import { PostMessage } from '../peers/post-message.js';
import type { Measured, Scenario } from '../scenario.js';

const IN_FLIGHT = 1_000;
const ROUND_MS = 500;
const ROUNDS = 7;

/** What a request costs on its way through the engine and back: `echo`, 1,000 in flight, 1,000 keys, 1 shard. */
export const scenario: Scenario = {
  name: 'engine-path',
  fixture: 'dispatch',
  limitSeconds: 60,
  binding: false,
  measure,
};

async function measure(): Promise<Measured> {
  const engine = await createEngine({ shards: 1 });
  const piscina = new Piscina({
    filename: new URL('../peers/echo-worker.js', import.meta.url).href,
    name: 'echo',
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: IN_FLIGHT,
    atomics: 'disabled',
  });
  const postMessage = new PostMessage();
  const keys = Array.from({ length: IN_FLIGHT }, (_, i) => `host-${i}`);
  const requestOf = (lane: number) => ({ key: keys[lane]!, payload: 'uptime' });

  const keep = (one: (lane: number) => Promise<unknown>) => () => keepInFlight(IN_FLIGHT, ROUND_MS, one);
  const rounds = await interleave(ROUNDS, {
    keylane: keep((lane) => engine.run('echo', requestOf(lane))),
    piscina: keep((lane) => piscina.run(requestOf(lane))),
    postMessage: keep((lane) => postMessage.run(keys[lane]!, 'uptime')),
  });
  await Promise.all([engine.close(), piscina.destroy(), postMessage.end()]);

  const rate = (name: keyof typeof rounds) => median(rounds[name].map(perSecond));
  const cpu = (name: keyof typeof rounds) => round(median(rounds[name].map(cpuEach)));
  const [toPiscina, toPostMessage] = [
    round(rate('keylane') / rate('piscina')),
    round(rate('keylane') / rate('postMessage')),
  ];
  return {
    figures: { requestsPerSecond: Math.round(rate('keylane')), cpuUsPerRequest: cpu('keylane') },
    peers: {
      'piscina.run': { requestsPerSecond: Math.round(rate('piscina')), cpuUsPerRequest: cpu('piscina') },
      postMessage: { requestsPerSecond: Math.round(rate('postMessage')), cpuUsPerRequest: cpu('postMessage') },
    },
    ratios: { 'requests/s ÷ piscina.run': toPiscina, 'requests/s ÷ postMessage': toPostMessage },
    targets: [
      { what: 'requests/s ÷ piscina.run', value: toPiscina, atLeast: 7 },
      { what: 'requests/s ÷ one postMessage per request', value: toPostMessage, atLeast: 1.5 },
      { what: 'CPU µs per request, both threads', value: cpu('keylane'), atMost: 3 },
    ],
  };
}
