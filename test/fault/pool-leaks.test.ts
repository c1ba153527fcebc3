import { createEngine, type Engine, KeylaneError, type SshRequest } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { settled } from '../support/fake-clock.js';
import { expectNoLeaks, type Held, held } from '../support/leaks.js';
import { type FaultProxy, randomCut, startProxy } from '../support/proxy.js';
import { type Random, seeded, seedsOf } from '../support/seed.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';
import { socketsTo } from '../support/tcp.js';

const REQUESTS = 1_000;
/** 10 nightly. */
const RUNS = Number(process.env.RUNS ?? 2);
const AT_ONCE = 50;
const TIMEOUT_MS = 1_000;
/** About what a connection with one command says, either way. */
const LENGTH = { up: 3_000, down: 4_000 };

let sshd: Sshd;
let wrongKey: string;
beforeAll(async () => {
  sshd = await startSshd();
  wrongKey = `${sshd.dir}/wrong`;
  newKey(wrongKey);
});
afterAll(() => sshd.stop());

/** Hosts, each with its own way to go wrong. */
interface Hosts {
  good: FaultProxy;
  refusing: FaultProxy;
  cut: FaultProxy;
  slow: FaultProxy;
  strict: FaultProxy;
}

/** Each runs one request, and settles whatever becomes of it. */
const FAULTS: Record<string, (engine: Engine, hosts: Hosts, random: Random) => Promise<unknown>> = {
  none: (engine, { good }) => run(engine, good, 'true'),
  refuse: (engine, { refusing }) => run(engine, refusing, 'true'),
  cut: (engine, { cut }) => run(engine, cut, 'true'),
  slow: (engine, { slow }) => run(engine, slow, 'true'),
  'auth failure': (engine, { strict }) => run(engine, strict, 'true', { identity: wrongKey }),
  'output dropped': (engine, { good }) => run(engine, good, 'head -c 100000 /dev/zero', { maxOutputBytes: 10 }),
  'deadline in use': (engine, { good }) => run(engine, good, 'exec sleep 60', {}, { timeoutMs: 50 }),
  'closed in use': (engine, { good }) => run(engine, good, 'kill -9 $PPID; exec sleep 60'),
  'closed idle': async (engine, { good }, random) => {
    const result = await run(engine, good, 'true');
    const connection = good.connections[random.below(good.connections.length)];
    connection?.cut(random.pick(['fin', 'rst']));
    return result;
  },
  'abort before': (engine, { good }) => run(engine, good, 'true', {}, { signal: AbortSignal.abort() }),
  'abort during': async (engine, { good }) => {
    const controller = new AbortController();
    const running = run(engine, good, 'exec sleep 60', {}, { signal: controller.signal });
    await run(engine, good, 'true');
    controller.abort();
    return running;
  },
};

/** A fifth needs no connection of its own, so that there is one to break for the others. */
function mix(random: Random): string[] {
  const names = Object.keys(FAULTS);
  return Array.from({ length: REQUESTS }, () => (random.below(5) === 0 ? 'none' : random.pick(names)));
}

test.each(seedsOf('pool-leaks'))(
  '1,000 runs through every fault leave nothing in use, waiting or open, however often (P1, seed %i)',
  async (seed) => {
    const random = seeded(seed);
    await round(random, ['none']);
    const before = await heldNow();
    for (let number = 0; number < RUNS; number++) {
      await round(random, mix(random));
      // Always against the same start: no growth.
      await sessionsEnded(sshd);
      await expectNoLeaks(before);
    }
  },
  60_000 * Math.max(2, RUNS),
);

/** What is held when all that is being closed has been let go of. */
async function heldNow(): Promise<Held> {
  await sessionsEnded(sshd);
  for (let turn = 0; turn < 1_000; turn++) await settled();
  return held();
}

async function round(random: Random, faults: readonly string[]): Promise<void> {
  const to = { host: '127.0.0.1', port: sshd.port };
  const hosts: Hosts = {
    good: await startProxy({ to }),
    refusing: await startProxy({ to }),
    cut: await startProxy({ to, fault: () => ({ cut: randomCut(random, LENGTH) }) }),
    slow: await startProxy({ to, fault: { delayMs: 5 } }),
    strict: await startProxy({ to }),
  };
  hosts.refusing.refuse();
  const engine = await createEngine({
    shards: 2,
    limits: { connectTimeoutMs: TIMEOUT_MS, breaker: false },
    ssh: { hostKeys: 'insecure', keepaliveMs: 200, connectTimeoutMs: TIMEOUT_MS },
  });
  const outcomes = new Set<unknown>();
  const left = faults.values();
  const worker = async () => {
    for (const fault of left) outcomes.add(await FAULTS[fault]?.(engine, hosts, random));
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, faults.length) }, worker));
  if (faults.length === REQUESTS) {
    // The mix went wrong in every way.
    expect([...outcomes]).toEqual(expect.arrayContaining(['ok', 'ERR_CONNECT', 'ERR_AUTH', 'ERR_TIMEOUT']));
    expect([...outcomes]).toEqual(expect.arrayContaining(['ERR_CONNECTION_LOST', 'ERR_CANCELED']));
  }
  const { inFlight, queued, shards } = await engine.stats();
  expect({ inFlight, queued }).toEqual({ inFlight: 0, queued: 0 });
  for (const { inside, restarts } of shards) {
    expect(restarts).toBe(0);
    expect(inside).toMatchObject({ requests: 0, waiting: 0, connections: { busy: 0, full: 0 } });
  }
  // The end of its thread would close what a shard forgot, so it is looked at before.
  await expect.poll(() => forgotten(engine, hosts), { timeout: 20_000 }).toBe(0);
  await engine.close();
  await Promise.all(Object.values(hosts).map((proxy: FaultProxy) => proxy.stop()));
}

/** Sockets to the hosts beyond the connections that the pools know of. */
async function forgotten(engine: Engine, hosts: Hosts): Promise<number> {
  // Not the refusing one: its port is anybody's.
  const ports = new Set([hosts.good, hosts.cut, hosts.slow, hosts.strict].map(({ port }) => port));
  const { shards } = await engine.stats();
  const known = shards.flatMap(({ inside }) => Object.values(inside?.connections ?? {}));
  return Math.max(0, socketsTo(ports) - known.reduce((sum, connections) => sum + connections, 0));
}

/** The code of its error, or `ok`. */
async function run(
  engine: Engine,
  { port }: FaultProxy,
  command: string,
  other: Partial<SshRequest> = {},
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  const request = loginTo(sshd, { port, hostKeys: 'insecure', command, ...other });
  try {
    await engine.run('ssh', request, { timeoutMs: TIMEOUT_MS, ...options });
    return 'ok';
  } catch (error) {
    if (!(error instanceof KeylaneError)) throw error;
    return error.code;
  }
}
