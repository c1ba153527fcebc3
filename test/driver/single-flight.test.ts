import { expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';

const CALLERS = 1_000;

test('1,000 requests for one cold host open one connection where the lane may have one', async () => {
  await using sshd = await startSshd();
  const engine = await startEngine({ limits: { connectionsPerLane: 1, inFlightPerKey: CALLERS } });
  const requests = Array.from({ length: CALLERS }, () => engine.run('ssh', loginTo(sshd, { command: ':' })));
  for (const { code } of await Promise.all(requests)) expect(code).toBe(0);
  expect(connectionsTo(sshd)).toBe(1);
});

test('where that connection fails all of them hear it, and the next request tries anew', async () => {
  await using sshd = await startSshd();
  const engine = await startEngine({ limits: { connectionsPerLane: 1, inFlightPerKey: CALLERS } });
  // It answers, but is not who known_hosts says.
  const wrong = loginTo(sshd, { command: ':', knownHosts: '/dev/null' });
  const crowd = Array.from({ length: CALLERS }, () => failure(engine.run('ssh', wrong)));
  const codes = (await Promise.all(crowd)).map(({ code }) => code);
  expect(new Set(codes)).toEqual(new Set(['ERR_HOST_KEY']));
  expect(connectionsTo(sshd)).toBe(1);
  expect((await failure(engine.run('ssh', wrong))).code).toBe('ERR_HOST_KEY');
  expect(connectionsTo(sshd)).toBe(2);
});
