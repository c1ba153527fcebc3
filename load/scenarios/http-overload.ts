import { round } from '../measure.js';
import { latencies, OpenLoop, requestText } from '../open-loop.js';
import { peakOf } from '../proc.js';
import { startProgram } from '../program.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

/** Of `echo`: 2 connections a key, 10 streams each. */
const KEYS = 5;
const STREAMS = 100;
const RUN_MS = 50;
const QUEUED = 100;
const CAPACITY = (STREAMS * 1_000) / RUN_MS;

/** Three times as much as the peer can take: it serves what it can, and refuses the rest at once. */
export const scenario: Scenario = {
  name: 'http-overload',
  fixture: 'dispatch',
  limitSeconds: 90,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const program = await startProgram<ServiceProgram>('service');
  const { url, token } = await program.ask('start', {
    engine: { shards: 1, maxInFlight: STREAMS, maxQueued: QUEUED },
  });
  const bodies = Array.from({ length: KEYS }, (_, i) => ({
    driver: 'echo',
    request: { key: `host-${i}`, payload: 'uptime', delayMs: RUN_MS },
  }));
  const client = new OpenLoop(url);
  await client.open(STREAMS + QUEUED);
  const texts = bodies.map((body) => requestText(url, token, body));
  await client.fire(texts, 3 * CAPACITY, 1);
  const seconds = short ? 3 : 15;
  const firing = client.fire(texts, 3 * CAPACITY, seconds);
  const peak = peakOf(program.pid, firing);
  const { okMs, refusedMs, withoutRetryAfter, others, sent } = await firing;
  const { fileDescriptors } = await peak;
  client.close();
  await program.end();

  const goodput = okMs.length / seconds;
  const ratio = round(goodput / CAPACITY);
  const [ok, refused] = [latencies(okMs), latencies(refusedMs)];
  return {
    figures: {
      offeredPerSecond: 3 * CAPACITY,
      goodputPerSecond: Math.round(goodput),
      refused: refusedMs.length,
      'ms of what was served': ok,
      'ms of what was refused': refused,
      others,
      fileDescriptors,
    },
    peers: { 'what the peer can take: 100 streams, 50 ms each': { requestsPerSecond: CAPACITY } },
    ratios: { 'goodput ÷ what the peer can take': ratio },
    targets: [
      { what: 'goodput ÷ what the peer can take', value: ratio, atLeast: 0.9 },
      { what: 'p95 of a refusal, ms', value: refused.p95, atMost: 5 },
      { what: 'refused without Retry-After', value: withoutRetryAfter, atMost: 0 },
      { what: 'neither served nor refused', value: sent - okMs.length - refusedMs.length, atMost: 0 },
      // 100 run and 100 wait for them: twice the time that one takes.
      { what: 'p99 of what was served, ms', value: ok.p99, atMost: 4 * RUN_MS },
    ],
  };
}
