import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSshSpec } from '../../src/specs/ssh.js';
import { load } from '../../workers/drivers/ssh/index.js';
import { FakeOpen } from '../support/driver-context.js';
import { failure, startEngine, until } from '../support/engine.js';
import { FakeClock } from '../support/fake-clock.js';
import { worstLag, worstShardLag } from '../support/loop-lag.js';
import { startProxy } from '../support/proxy.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const KEEPALIVE_MS = 300;
const COUNT = 3;
/** The count and one more, and 100 ms for who tells it. */
const MOST_MS = KEEPALIVE_MS * (COUNT + 1) + 100;

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
});
afterAll(() => sshd.stop());

const proxied = () => startProxy({ to: { host: '127.0.0.1', port: sshd.port } });

test('a peer that falls silent under a command is lost within four intervals, and its neighbours are not (S8)', async () => {
  await using proxy = await proxied();
  const engine = await startEngine({ ssh: { keepaliveMs: KEEPALIVE_MS, keepaliveCount: COUNT } });
  const request = loginTo(sshd, { port: proxy.port, hostKeys: 'insecure', command: 'echo on; exec sleep 60' });
  const stream = engine.stream('ssh', request);
  await stream.next();
  const neighbour = engine.run('ssh', loginTo(sshd, { host: '127.0.0.2', command: 'sleep 2; echo fine' }));
  const begun = performance.now();
  proxy.connections[0]?.cut('blackhole');
  const lost = failure(stream.response);
  const ended = lost.then(() => performance.now() - begun);
  // It is the shard that counts.
  const [lag, shardLag] = await Promise.all([worstLag(lost), worstShardLag(engine, ['echo'], lost)]);
  expect(await ended).toBeLessThan(MOST_MS + lag + shardLag);
  expect(await ended).toBeGreaterThan(KEEPALIVE_MS * COUNT);
  const { code, outcome, message } = await lost;
  expect({ code, outcome }).toEqual({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  expect(message).toContain('gave no sign of life');
  expect((await neighbour).stdout).toBe('fine\n');
});

test('a peer that falls silent while idle is taken out of the pool, and the next command gets another connection (S8)', async () => {
  await using proxy = await proxied();
  const engine = await startEngine({ ssh: { keepaliveMs: 200 } });
  const request = loginTo(sshd, { port: proxy.port, hostKeys: 'insecure', command: 'echo again' });
  await engine.run('ssh', request);
  proxy.connections[0]?.cut('blackhole');
  await until(async () => (await engine.stats()).shards[0]?.inside?.connections.idle === 0);
  expect((await engine.run('ssh', request)).stdout).toBe('again\n');
  expect(proxy.connections).toHaveLength(2);
});

test('a command after a silence is not given to a connection whose peer is gone: it gets another, and ends well', async () => {
  await using proxy = await proxied();
  const engine = await startEngine({ ssh: { keepaliveMs: 0 }, limits: { checkAfterMs: 1 } });
  const request = loginTo(sshd, { port: proxy.port, hostKeys: 'insecure', command: 'echo here' });
  const idle = async () => {
    const begun = performance.now();
    await until(() => performance.now() - begun > 20);
  };
  await engine.run('ssh', request);
  await idle();
  expect((await engine.run('ssh', request)).stdout).toBe('here\n');
  expect(proxy.connections, 'a peer that answers keeps its connection').toHaveLength(1);
  proxy.connections[0]?.cut('blackhole');
  await idle();
  const begun = performance.now();
  expect((await engine.run('ssh', request)).stdout).toBe('here\n');
  expect(proxy.connections).toHaveLength(2);
  // Two seconds for the sign of life, then an open.
  expect(performance.now() - begun).toBeGreaterThan(1_900);
});

test('by default a silent peer is lost within a minute, and not before three questions (S8)', async () => {
  await using proxy = await proxied();
  const clock = new FakeClock();
  const driver = await load(clock);
  const context = new FakeOpen({}, 1e9);
  const spec = makeSshSpec();
  const login = loginTo(sshd, { port: proxy.port, hostKeys: 'insecure', command: 'true' });
  const connection = await driver.open(spec.parse(login).target as never, context);
  proxy.connections[0]?.cut('blackhole');
  clock.advance(45_000);
  expect(connection.state).toBe('open');
  clock.advance(15_000);
  expect(connection.state).toBe('closed');
  expect(context.losses).toMatchObject([{ code: 'ERR_CONNECTION_LOST' }]);
});
