import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

test('with pty the command has a terminal of the size that was asked for', async () => {
  const engine = await startEngine();
  const command = 'test -t 0 && test -t 1 && stty size && echo $TERM';
  const pty = { columns: 132, rows: 43, term: 'vt220' };
  const response = await engine.run('ssh', loginTo(sshd, { command, pty }));
  expect(response).toMatchObject({ code: 0, stdout: '43 132\r\nvt220\r\n' });
});

test('stdout and stderr come as one, and input ends', async () => {
  const engine = await startEngine();
  const request = loginTo(sshd, { command: 'stty -echo; echo out; echo err >&2; cat', pty: true, stdin: 'in\n' });
  const { stdout, stderr, code } = await engine.run('ssh', request);
  expect(code).toBe(0);
  expect(stderr).toBe('');
  for (const word of ['out', 'err', 'in']) expect(stdout).toContain(word);
});

test('without it there is none', async () => {
  const engine = await startEngine();
  expect(await engine.run('ssh', loginTo(sshd, { command: 'test -t 0' }))).toMatchObject({ code: 1 });
});

test('a server that gives no terminal is told by name, and nothing runs', async () => {
  await using strict = await startSshd({ config: ['PermitTTY no'] });
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', loginTo(strict, { command: 'true', pty: true })));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(error.message).toContain('PermitTTY');
});
