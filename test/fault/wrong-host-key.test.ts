import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { count, loginTo } from '../support/ssh-login.js';
import { newKey, type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let wrong: string;
/** A file that has another key of the same type for the host, in its second line. */
let knownHosts: string;
beforeAll(async () => {
  sshd = await startSshd();
  wrong = newKey(join(sshd.dir, 'wrong'));
  knownHosts = join(sshd.dir, 'wrong-known-hosts');
  writeFileSync(knownHosts, `# comment\n[127.0.0.1]:${sshd.port} ${wrong}\n`);
});
afterAll(() => sshd.stop());

test.each(['strict', 'accept-new'] as const)(
  'a host that shows another key than the known one is refused (%s), before it is told who we are',
  async (hostKeys) => {
    const engine = await startEngine();
    const call = engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts, hostKeys }), { attempts: 3 });
    const error = await failure(call);
    expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
    expect(error.message).toContain(`${knownHosts}:2`);
    expect(error.message).toContain(`ssh-keygen -R '[127.0.0.1]:${sshd.port}' -f '${knownHosts}'`);
    // No user name, no key: sshd never came to authentication.
    expect(count(sshd, sshd.user)).toBe(0);
  },
);

test('a revoked key is refused, also where the host key is not checked', async () => {
  const revoked = join(sshd.dir, 'revoked');
  writeFileSync(revoked, `@revoked * ${sshd.hostKeyPublic}\n`);
  const engine = await startEngine();
  for (const hostKeys of ['strict', 'accept-new', 'insecure'] as const) {
    const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts: revoked, hostKeys })));
    expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started', retryable: false });
    expect(error.message).toContain(`revoked by ${revoked}:1`);
  }
  expect(count(sshd, sshd.user)).toBe(0);
});

test('a wrong host key of one lane is no matter of another lane of the host', async () => {
  const engine = await startEngine();
  const bad = Array.from({ length: 20 }, () =>
    failure(engine.run('ssh', loginTo(sshd, { command: 'true', knownHosts }))),
  );
  const good = Array.from({ length: 20 }, () => engine.run('ssh', loginTo(sshd, { command: 'true' })));
  for (const { code } of await Promise.all(good)) expect(code).toBe(0);
  for (const { code } of await Promise.all(bad)) expect(code).toBe('ERR_HOST_KEY');
});
