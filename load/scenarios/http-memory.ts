import autocannon from 'autocannon';
import { median, round } from '../measure.js';
import { sampled } from '../proc.js';
import { startProgram } from '../program.js';
import type { ServiceProgram } from '../programs/service.js';
import type { Measured, Scenario, Size } from '../scenario.js';

/** 1,000,000 requests over HTTP: does the process grow? */
export const scenario: Scenario = {
  name: 'http-memory',
  fixture: 'dispatch',
  limitSeconds: 240,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const program = await startProgram<ServiceProgram>('service');
  const { url, token } = await program.ask('start', { engine: { shards: 2 } });
  const requests = Array.from({ length: 1_000 }, (_, i) => ({
    body: JSON.stringify({ driver: 'echo', request: { key: `host-${i}`, payload: 'uptime' } }),
  }));
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const asked = { url: `${url}/v1/run`, method: 'POST' as const, headers, requests, connections: 50 };
  const running = autocannon({ ...asked, amount: short ? 100_000 : 1_000_000 });
  const samples = await sampled(program.pid, running);
  const { duration, non2xx, errors, requests: done } = await running;
  if (non2xx + errors > 0) throw new Error(`${non2xx} refused, ${errors} errors`);
  await program.end();

  const quarter = (n: number) => median(samples.slice((samples.length * n) >> 2, (samples.length * (n + 1)) >> 2));
  const flat = round(quarter(3) / quarter(1));
  const mb = (bytes: number) => round(bytes / 1e6);
  return {
    figures: {
      requests: done.total,
      requestsPerSecond: Math.round(done.total / duration),
      'MB of RssAnon, second quarter': mb(quarter(1)),
      'MB of RssAnon, last quarter': mb(quarter(3)),
      'MB of RssAnon at most': mb(Math.max(...samples)),
    },
    peers: {},
    ratios: { 'RssAnon, last quarter ÷ second': flat },
    targets: [{ what: 'RssAnon, last quarter ÷ second', value: flat, atMost: 1.1 }],
  };
}
