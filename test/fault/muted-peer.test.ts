import { createEngine, type Engine } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { type Fault, startProxy } from '../support/proxy.js';
import { loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

/** Of each step of the protocol. */
const STEP_MS = 1_000;
/** Of the whole call, where no step's deadline is to come first. */
const CALL_MS = 30_000;
/** How late at most: the machine is shared. */
const LATE_MS = 3_000;
/** Longer than everything else of its connection, so that a cut 400 bytes after the log-in is in the midst of it. */
const LONG = `: ${'x'.repeat(1_000)}`;

let sshd: Sshd;
let engine: Engine;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
  engine = await createEngine({
    shards: 1,
    limits: { connectTimeoutMs: STEP_MS, connectionsPerLane: 1 },
    ssh: { connectTimeoutMs: STEP_MS, hostKeys: 'insecure', keepaliveMs: 0 },
  });
  // The neighbour's connection, which on a busy machine may take longer than a step. It is kept.
  for (let ready = 0, tries = 0; ready === 0 && tries < 5; tries++)
    ({ ready } = await engine.prewarm('ssh', [neighbour()]));
});
afterAll(async () => {
  await engine.destroy();
  await sshd.stop();
});

const request = (port: number, command = 'true', identity = sshd.identity) =>
  loginTo(sshd, { port, command, identity, hostKeys: 'insecure' });

const neighbour = () => loginTo(sshd, { host: '127.0.0.2', command: 'true' });

function muted(fault: Fault) {
  return startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault });
}

function silentAfter(direction: 'up' | 'down', after: number): Fault {
  return { cut: { direction, after, by: 'blackhole' } };
}

/** What the call ends with, and that it did so at its deadline while another host was being answered. */
async function endsAt(deadlineMs: number, call: Promise<unknown>) {
  const begun = performance.now();
  let over = false;
  const ended = failure(call).finally(() => {
    over = true;
  });
  let answered = 0;
  while (!over) {
    expect((await engine.run('ssh', neighbour(), { timeoutMs: CALL_MS })).code).toBe(0);
    answered++;
  }
  const tookMs = performance.now() - begun;
  expect(answered).toBeGreaterThan(1);
  // A call gives its connection 25 ms less than it has itself.
  expect(tookMs).toBeGreaterThan(deadlineMs - 50);
  expect(tookMs).toBeLessThan(deadlineMs + LATE_MS);
  const { code, outcome, message } = await ended;
  return { code, outcome, message };
}

/** Bytes from the server until it has refused a key: the middle of what it has to say of one. */
async function bytesIntoLogIn(): Promise<number> {
  const other = `${sshd.dir}/other`;
  newKey(other);
  await using proxy = await muted({});
  const refused = await failure(engine.run('ssh', request(proxy.port, 'true', other)));
  expect(refused.code).toBe('ERR_AUTH');
  return (proxy.connections[0]?.count('down') ?? 0) - 8;
}

/** Bytes to the server until a connection is open. */
async function bytesOfOpen(): Promise<number> {
  await using proxy = await muted({});
  const { ready } = await engine.prewarm('ssh', [request(proxy.port)]);
  expect(ready).toBe(1);
  return proxy.connections[0]?.count('up') ?? 0;
}

test.each([
  ['when it is connected to', 'key exchange', async () => ({ accept: 'mute' }) as Fault],
  ['before its banner', 'key exchange', async () => silentAfter('down', 0)],
  ['in the key exchange', 'key exchange', async () => silentAfter('down', 200)],
  ['in the log-in', 'authentication', async () => silentAfter('down', await bytesIntoLogIn())],
])(
  'a peer that falls silent %s is a failed connect at the deadline of connecting (S9)',
  async (_when, step, faultOf) => {
    await using proxy = await muted(await faultOf());
    const call = engine.run('ssh', request(proxy.port), { timeoutMs: CALL_MS });
    const { code, outcome, message } = await endsAt(STEP_MS, call);
    expect({ code, outcome }).toEqual({ code: 'ERR_CONNECT', outcome: 'not_started' });
    expect(message).toContain(`no answer to the ${step}`);
  },
);

test('a peer that does not answer the opening of a channel has been sent nothing (S9)', async () => {
  await using proxy = await muted({});
  await engine.prewarm('ssh', [request(proxy.port)]);
  proxy.connections[0]?.cut('blackhole');
  const said = await endsAt(STEP_MS, engine.run('ssh', request(proxy.port), { timeoutMs: CALL_MS }));
  expect(said).toMatchObject({ outcome: 'not_started', code: 'ERR_CONNECTION_LOST' });
});

test('a peer that does not answer the command may have run it (S9)', async () => {
  await using proxy = await muted(silentAfter('up', (await bytesOfOpen()) + 400));
  const said = await endsAt(STEP_MS, engine.run('ssh', request(proxy.port, LONG), { timeoutMs: CALL_MS }));
  expect(said).toMatchObject({ outcome: 'unknown', code: 'ERR_CONNECTION_LOST' });
});

test('a peer that falls silent while the command runs is unknown at the deadline of the call (S9)', async () => {
  await using proxy = await muted({});
  const stream = engine.stream('ssh', request(proxy.port, 'echo on; exec sleep 60'), { timeoutMs: STEP_MS + 1_000 });
  const begun = performance.now();
  expect(String((await stream.next()).value?.data)).toBe('on\n');
  proxy.connections[0]?.cut('blackhole');
  const said = await endsAt(STEP_MS + 1_000 - (performance.now() - begun), stream.response);
  expect(said).toMatchObject({ outcome: 'unknown', code: 'ERR_TIMEOUT' });
});

test('a late answer to a call that is over is no answer to the next one (S9)', async () => {
  // An answer takes 100 ms, so that it comes when the call is over. No step is short of time.
  const patient = await startEngine();
  await using slow = await muted({ delayMs: 50 });
  const first = patient.run('ssh', request(slow.port, 'echo first'), { timeoutMs: CALL_MS });
  expect((await first).stdout).toBe('first\n');
  const late = failure(patient.run('ssh', request(slow.port, 'echo late'), { timeoutMs: 60 }));
  const next = patient.run('ssh', request(slow.port, 'echo next'), { timeoutMs: CALL_MS });
  expect((await late).code).toBe('ERR_TIMEOUT');
  expect((await next).stdout).toBe('next\n');
  await until(async () => (await patient.stats()).shards[0]?.inside?.requests === 0);
});
