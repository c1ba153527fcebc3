import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let wrongKey: string;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
  wrongKey = `${sshd.dir}/wrong`;
  newKey(wrongKey);
});
afterAll(() => sshd.stop());

test('after two authentication failures a host is let alone for 30 s, and only that host', async () => {
  const engine = await startEngine();
  const wrong = () => engine.run('ssh', loginTo(sshd, { command: 'true', identity: wrongKey }));
  for (let time = 0; time < 2; time++) {
    expect(await failure(wrong())).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
  }
  expect(connectionsTo(sshd)).toBe(2);

  const refused = await failure(wrong());
  // No round trip, no key to sign with.
  expect(connectionsTo(sshd)).toBe(2);
  expect(refused).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started', retryable: false });
  const [, seconds] = /^not tried: 2 authentication failures in a row; .* in (\d+) s$/.exec(refused.message) ?? [];
  expect(Number(seconds)).toBeGreaterThan(20);
  expect(Number(seconds)).toBeLessThanOrEqual(30);
  // It is the host that counts failures, so another identity does not help there.
  const right = loginTo(sshd, { command: 'true' });
  expect((await failure(engine.run('ssh', right))).message).toContain('not tried');

  expect((await engine.run('ssh', { ...right, host: '127.0.0.2' })).code).toBe(0);
  // That one, and no third one to the first.
  expect(connectionsTo(sshd)).toBe(3);
});

test('a crowd with a wrong key fails as one: two log-ins at most are seen', async () => {
  const engine = await startEngine();
  const before = connectionsTo(sshd);
  const request = loginTo(sshd, { command: 'true', identity: wrongKey });
  const crowd = Array.from({ length: 200 }, () => failure(engine.run('ssh', request)));
  for (const { code, outcome } of await Promise.all(crowd)) {
    expect({ code, outcome }).toEqual({ code: 'ERR_AUTH', outcome: 'not_started' });
  }
  expect(connectionsTo(sshd) - before).toBeLessThanOrEqual(2);
});

test('one failure and then a log-in: the count begins anew', async () => {
  const engine = await startEngine();
  const before = connectionsTo(sshd);
  // A lane of its own each time, so that it logs in.
  for (const hostKeys of ['strict', 'accept-new', 'insecure'] as const) {
    const wrong = { command: 'true', identity: wrongKey };
    expect((await failure(engine.run('ssh', loginTo(sshd, wrong)))).message).toContain('refused the log-in');
    expect((await engine.run('ssh', loginTo(sshd, { command: 'true', hostKeys }))).code).toBe(0);
  }
  expect(connectionsTo(sshd) - before).toBe(6);
});
