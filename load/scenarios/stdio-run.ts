import { fileURLToPath } from 'node:url';
import { interleave, median, perSecond, quantile, round, type Work } from '../measure.js';
import { rssAnon } from '../proc.js';
import { startProgram } from '../program.js';
import type { BarePipe } from '../programs/bare-pipe.js';
import type { KeylaneDrivers } from '../programs/keylane-drivers.js';
import type { Measured, Scenario, Size } from '../scenario.js';

const LANES = 64;
const REQUESTS = 20_000;
const ROUNDS = 5;
const RATE = 1_000;
const STEADY_RATE = 500;
const WORK_US = 100;
const PARAMS = { name: 'status', arguments: { host: 'web-17', verbose: false } };
const SERVER = fileURLToPath(new URL('../peers/json-rpc-server.js', import.meta.url));

/** JSON-RPC to one process: as much as it takes, by the clock, and for a minute. */
export const scenario: Scenario = {
  name: 'stdio-run',
  fixture: 'loopback',
  limitSeconds: 180,
  binding: false,
  measure,
};

async function measure({ short }: Size): Promise<Measured> {
  const command = (workUs: number) => [process.execPath, SERVER, String(workUs)];
  const [keylane, bare, bareWorking] = await Promise.all([
    startProgram<KeylaneDrivers>('keylane-drivers', ['--expose-gc']),
    startProgram<BarePipe>('bare-pipe'),
    startProgram<BarePipe>('bare-pipe'),
  ]);
  const server = (workUs: number) => {
    const [file, ...args] = command(workUs);
    return {
      command: file!,
      args,
      initialize: 'none' as const,
      stateless: true,
      processes: 1,
      requestsPerProcess: LANES,
    };
  };
  await keylane.ask('start', {
    shards: 1,
    stdio: { servers: { echo: server(0), working: server(WORK_US), steady: server(0) } },
  });
  await bare.ask('start', { command: command(0) });
  await bareWorking.ask('start', { command: command(WORK_US) });
  const of = (name: string) => ({ driver: 'stdio', requests: [{ server: name, method: 'echo', params: PARAMS }] });
  const count = short ? REQUESTS / 4 : REQUESTS;
  const slow = { lanes: LANES, count: count / 4, params: PARAMS };
  const rounds = await interleave(short ? 2 : ROUNDS, {
    keylane: () => keylane.ask('run', { ...of('echo'), lanes: LANES, count }),
    bare: () => bare.ask('run', { lanes: LANES, count, params: PARAMS }),
    working: () => keylane.ask('run', { ...of('working'), ...slow }),
    bareWorking: () => bareWorking.ask('run', slow),
    spawning: () => bare.ask('spawning', { lanes: 2, count: short ? 10 : 40, params: PARAMS }),
  });
  await Promise.all([bare.end(), bareWorking.end()]);

  const ms = await keylane.ask('fire', { ...of('echo'), rate: RATE, seconds: short ? 2 : 10 });
  const steady = { ...of('steady'), rate: STEADY_RATE };
  await keylane.ask('fire', { ...steady, seconds: short ? 2 : 10 });
  const settled = async () => {
    await keylane.ask('collect', { shards: 1 });
    return { ...(await keylane.ask('look', undefined)), mb: rssAnon(keylane.pid) / 1e6 };
  };
  const before = await settled();
  const lateMs = await keylane.ask('fire', { ...steady, seconds: short ? 3 : 60 });
  const after = await settled();
  await keylane.end();

  const rate = (name: keyof typeof rounds) => Math.round(median(rounds[name].map(perSecond)));
  const times = (name: keyof typeof rounds, peer: keyof typeof rounds) =>
    round(median(rounds[name].map((work: Work, i) => perSecond(work) / perSecond(rounds[peer][i]!))));
  const [toBare, toWorking, toSpawning] = [
    times('keylane', 'bare'),
    times('working', 'bareWorking'),
    times('keylane', 'spawning'),
  ];
  const p95 = round(quantile(ms, 0.95));
  return {
    figures: {
      requestsPerSecond: rate('keylane'),
      [`server at work for ${WORK_US} µs`]: rate('working'),
      [`ms at ${RATE} requests/s`]: { p50: round(quantile(ms, 0.5)), p95, p99: round(quantile(ms, 0.99)) },
      [`ms at ${STEADY_RATE} requests/s`]: { p95: round(quantile(lateMs, 0.95)) },
      mbBeforeAndAfter: `${round(before.mb)} ${round(after.mb)}`,
    },
    peers: {
      'a bare pipe loop': rate('bare'),
      'the same, server at work': rate('bareWorking'),
      'a process for each request': rate('spawning'),
    },
    ratios: { 'requests/s ÷ bare': toBare, 'server at work ÷ bare': toWorking, '÷ spawning': toSpawning },
    targets: [
      { what: 'requests/s of one process', value: rate('keylane'), atLeast: 1_000 },
      { what: 'ms at 1,000 requests/s, P95', value: p95, atMost: 5 },
      { what: 'requests/s ÷ a bare pipe loop, 64 in flight', value: toBare, atLeast: 0.6 },
      { what: 'the same, server at work for 100 µs each', value: toWorking, atLeast: 0.9 },
      { what: 'requests/s ÷ a process for each request', value: toSpawning, atLeast: 20 },
      { what: 'a minute: processes started', value: after.spawned - before.spawned, atMost: 0 },
      { what: 'a minute: more processes', value: after.processes - before.processes, atMost: 0 },
      { what: 'a minute: more file descriptors', value: after.fds - before.fds, atMost: 0 },
      { what: 'a minute: more MB of RssAnon', value: round(after.mb - before.mb), atMost: 5 },
    ],
    notes: ['the server is a Node process of its own, on the same cores'],
  };
}
