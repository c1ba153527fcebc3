import type { EngineEvent } from 'keylane';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
});
afterAll(() => sshd.stop());

/** PROMISES P7: a host that resets every connection, until it is told to be well. */
test('a dead host is let alone after five failures, tried by one, and served as soon as it is back', async () => {
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault: { accept: 'rst' } });
  onTestFinished(() => proxy.stop());
  const events: EngineEvent[] = [];
  const onEvent = (event: EngineEvent) => event.type.startsWith('breaker_') && events.push(event);
  const limits = { connectionsPerLane: 1, breaker: { openMs: 2_000, maxOpenMs: 2_000 } };
  const engine = await startEngine({ limits, onEvent });
  const login = loginTo(sshd, { command: 'true', port: proxy.port, hostKeys: 'insecure' });
  const key = `127.0.0.1:${proxy.port}`;

  for (let times = 0; times < 5; times++) expect((await failure(engine.run('ssh', login))).code).toBe('ERR_CONNECT');
  const alone = await Promise.all(Array.from({ length: 100 }, () => failure(engine.run('ssh', login))));
  for (const { code, outcome, retryable, retryAfterMs } of alone) {
    expect({ code, outcome, retryable }).toEqual({ code: 'ERR_BREAKER_OPEN', outcome: 'not_started', retryable: true });
    expect(retryAfterMs).toBeLessThanOrEqual(2_000);
  }
  expect(alone[0]?.message).toMatch(
    /^not tried: 5 failures to connect in a row; the last: .*reset.*; the next try is /,
  );
  expect(proxy.connections).toHaveLength(5);
  expect((await engine.stats()).shards[0]?.inside?.stopped).toBe(1);

  const patient = Array.from({ length: 8 }, () => engine.run('ssh', login, { attempts: 10 }));
  // Another one is served meanwhile.
  expect((await engine.run('ssh', loginTo(sshd, { command: 'true' }))).code).toBe(0);
  // The probe fails: one connection, and nobody before its time.
  await until(() => events.length === 2);
  expect(proxy.connections).toHaveLength(6);
  proxy.fault = {};
  const healed = performance.now();
  for (const { code } of await Promise.all(patient)) expect(code).toBe(0);
  // One probe interval, a wait of the retries, and a busy machine.
  expect(performance.now() - healed).toBeLessThan(10_000);
  expect(proxy.connections).toHaveLength(7);
  expect(events).toMatchObject([
    { type: 'breaker_open', shard: 0, key, what: 'connect', failures: 5 },
    { type: 'breaker_open', key, failures: 6 },
    { type: 'breaker_closed', key, what: 'connect' },
  ]);
  expect((await engine.stats()).shards[0]?.inside?.stopped).toBe(0);
});

test('a dead jump host is let alone, and the hosts behind it are not blamed', async () => {
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault: { accept: 'rst' } });
  onTestFinished(() => proxy.stop());
  const stopped: string[] = [];
  const onEvent = (event: EngineEvent) => event.type === 'breaker_open' && stopped.push(event.key);
  const engine = await startEngine({ limits: { breaker: { openMs: 2_000 } }, onEvent });
  const { user, identity } = sshd;
  const hop = { host: '127.0.0.1', port: proxy.port, user, identity, hostKeys: 'insecure' as const };
  const direct = loginTo(sshd, { host: '127.0.0.2', command: 'true' });
  const behind = { ...direct, jump: [hop] };
  const bastion = `127.0.0.1:${proxy.port}`;

  for (let times = 0; times < 5; times++) expect((await failure(engine.run('ssh', behind))).code).toBe('ERR_CONNECT');
  const { code, message } = await failure(engine.run('ssh', behind));
  expect(code).toBe('ERR_BREAKER_OPEN');
  expect(message).toContain(bastion);
  expect(stopped).toEqual([bastion]);
  // Its own breaker has nothing against the host: without the jump host it is served.
  expect((await engine.run('ssh', direct)).code).toBe(0);
  proxy.fault = {};
  expect((await engine.run('ssh', behind, { attempts: 5 })).code).toBe(0);
});
