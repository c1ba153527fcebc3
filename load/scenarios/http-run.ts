import autocannon from 'autocannon';
import { interleave, median, medianOf, round } from '../measure.js';
import { latencies, OpenLoop, requestText } from '../open-loop.js';
import { cpuMsOf } from '../proc.js';
import { startProgram } from '../program.js';
import type { BareFastify } from '../programs/bare-fastify.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const CONNECTIONS = 50;
const KEYS = 100;
const ROUNDS = 5;
const RATE = 5_000;

/** `POST /v1/run` of `echo`, 50 connections: as many as it can, then 5,000 in each second. */
export const scenario: Scenario = { name: 'http-run', fixture: 'dispatch', limitSeconds: 120, binding: false, measure };

async function measure({ short }: Size): Promise<Measured> {
  const [program, bare] = await Promise.all([
    startProgram<ServiceProgram>('service'),
    startProgram<BareFastify>('bare-fastify'),
  ]);
  const { url, token } = await program.ask('start', { engine: { shards: 1 } });
  const peer = await bare.ask('start', undefined);
  const bodies = Array.from({ length: KEYS }, (_, i) => ({
    driver: 'echo',
    request: { key: `host-${i}`, payload: 'uptime' },
  }));
  const cannon = (url: string, pid: number) => async () => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const requests = bodies.map((body) => ({ body: JSON.stringify(body) }));
    const duration = short ? 1 : 3;
    const asked = { url: `${url}/v1/run`, method: 'POST' as const, headers, requests, connections: CONNECTIONS };
    const cpu = cpuMsOf(pid);
    const { requests: done, duration: seconds, non2xx, errors } = await autocannon({ ...asked, duration });
    if (non2xx + errors > 0) throw new Error(`${non2xx} refused, ${errors} errors`);
    return { rate: done.total / seconds, cpuUs: ((cpuMsOf(pid) - cpu) * 1000) / done.total };
  };
  const rounds = await interleave(short ? 2 : ROUNDS, {
    keylane: cannon(url, program.pid),
    bare: cannon(peer.url, bare.pid),
  });
  const client = new OpenLoop(url);
  await client.open(CONNECTIONS);
  const texts = bodies.map((body) => requestText(url, token, body));
  await client.fire(texts, RATE, 2);
  const { okMs, sent } = await client.fire(texts, RATE, short ? 3 : 15);
  client.close();
  await Promise.all([program.end(), bare.end()]);
  if (okMs.length < sent) throw new Error(`${sent - okMs.length} of ${sent} were not answered with 200`);

  const ratio = round(median(rounds.keylane.map(({ rate }, i) => rate / rounds.bare[i]!.rate)));
  const rateOf = (name: keyof typeof rounds) => Math.round(medianOf(rounds[name], ({ rate }) => rate));
  const cpuOf = (name: keyof typeof rounds) => round(medianOf(rounds[name], ({ cpuUs }) => cpuUs));
  const rate = rateOf('keylane');
  const at = latencies(okMs);
  return {
    figures: { requestsPerSecond: rate, cpuUsPerRequest: cpuOf('keylane'), [`ms at ${RATE} requests/s`]: at },
    peers: {
      'a bare Fastify route of the same schema': { requestsPerSecond: rateOf('bare'), cpuUsPerRequest: cpuOf('bare') },
    },
    ratios: {
      'requests/s ÷ a bare Fastify route': ratio,
      'CPU ÷ a bare Fastify route': round(cpuOf('keylane') / cpuOf('bare')),
    },
    targets: [
      { what: 'requests/s ÷ a bare Fastify route', value: ratio, atLeast: 0.6 },
      { what: 'requests/s', value: rate, atLeast: 10_000 },
      { what: 'p50 at 5,000/s, ms', value: at.p50, atMost: 2 },
      { what: 'p95 at 5,000/s, ms', value: at.p95, atMost: 5 },
      { what: 'p99 at 5,000/s, ms', value: at.p99, atMost: 10 },
      { what: 'p99.9 at 5,000/s, ms', value: at.p999, atMost: 25 },
    ],
  };
}
