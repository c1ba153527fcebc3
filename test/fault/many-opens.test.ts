import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEngine, until } from '../support/engine.js';
import { connectionsTo, count, loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const REQUESTS = 500;
const LANES = 5;
const CONNECTIONS_PER_LANE = 20;

let sshd: Sshd;
beforeAll(async () => {
  // sshd's own defaults: from the 10th unauthenticated connection on it drops 3 of 10.
  sshd = await startSshd({ config: ['MaxStartups 10:30:100'] });
});
afterAll(() => sshd.stop());

test('500 cold requests that want 100 connections of one sshd never trip its MaxStartups (P8)', async () => {
  // One command a connection, so that each lane wants all the connections it may have.
  const engine = await startEngine({ limits: { connectionsPerLane: CONNECTIONS_PER_LANE }, ssh: { streams: 1 } });
  const before = connectionsTo(sshd);
  const runs = Array.from({ length: REQUESTS }, (_, i) => {
    const knownHosts = join(sshd.dir, `none-${i % LANES}`);
    return engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts, hostKeys: 'insecure' }));
  });
  let over = false;
  let opening = 0;
  const all = Promise.all(runs).finally(() => {
    over = true;
  });
  await until(async () => {
    opening = Math.max(opening, (await engine.stats()).shards[0]?.inside?.connections.opening ?? 0);
    return over;
  });
  for (const { code } of await all) expect(code).toBe(0);
  expect(opening).toBeGreaterThan(1);
  expect(opening).toBeLessThanOrEqual(8);
  expect(connectionsTo(sshd) - before).toBeLessThanOrEqual(LANES * CONNECTIONS_PER_LANE);
  expect(connectionsTo(sshd) - before).toBeGreaterThan(LANES * 2);
  for (const complaint of ['drop connection', 'MaxStartups throttling', 'exceeded MaxStartups']) {
    expect(count(sshd, complaint)).toBe(0);
  }
});
