import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startEngine, until, verdict } from '../support/engine.js';
import { masters } from '../support/openssh-masters.js';
import { loginTo } from '../support/ssh-login.js';
import { startSshd } from '../support/sshd.js';

test('after kill -9 of a process its masters of ssh end by themselves', async () => {
  await using sshd = await startSshd();
  const login = JSON.stringify(loginTo(sshd, { transport: 'openssh' }));
  const program = fileURLToPath(new URL('../support/programs/openssh-master.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, login], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  expect(masters(sshd.dir)).toHaveLength(1);
  child.kill('SIGKILL');
  await exit;
  const since = performance.now();
  await until(() => masters(sshd.dir).length === 0);
  // ControlPersist is 2 s; the machine may be busy.
  expect(performance.now() - since).toBeLessThan(8_000);
});

test('an engine that is destroyed with commands on the way leaves no master of ssh', async () => {
  await using sshd = await startSshd();
  const engine = await startEngine({ shards: 1 });
  const stream = engine.stream('ssh', loginTo(sshd, { transport: 'openssh', command: 'echo running; sleep 60' }));
  const result = verdict(stream.response);
  await stream[Symbol.asyncIterator]().next();
  expect(masters(sshd.dir)).toHaveLength(1);
  await engine.destroy();
  expect(await result).toBe('ERR_CLOSED unknown');
  await until(() => masters(sshd.dir).length === 0);
});
