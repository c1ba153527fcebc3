import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine } from '../support/engine.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

/**
 * Does what sudo does as far as anybody can see it from outside: asks on stderr as it was told to, reads a line, waits
 * for nobody, says what it says. The real one would need a line in the machine's sudoers.
 */
const SUDO = `#!/bin/sh
prompt=; ask=1; user=root
while [ $# -gt 0 ]; do case $1 in
  -S) ;; -n) ask= ;; -p) prompt=$2; shift ;; -u) user=$2; shift ;; --preserve-env=*) ;; --) shift; break ;;
esac; shift; done
dir=\${0%/*}
echo "$user $#" >>"$dir/calls"
[ -e "$dir/lecture" ] && cat "$dir/lecture" >&2
if [ -e "$dir/free" ]; then exec "$@"; fi
if [ -z "$ask" ]; then echo 'sudo: a password is required' >&2; exit 1; fi
for try in 1 2 3; do
  printf %s "$prompt" >&2
  IFS= read -r line || { echo 'sudo: no password was provided' >&2; exit 1; }
  printf '%s\\n' "$line" >>"$dir/told"
  [ "$line" = 'right horse' ] && exec "$@"
  echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2; exit 1
`;

let sshd: Sshd;
let bin: string;

beforeAll(async () => {
  sshd = await startSshd({ config: ['PermitUserEnvironment yes', 'AcceptEnv KEYLANE_*'] });
  bin = join(sshd.dir, 'bin');
  mkdirSync(bin);
  chmodSync(bin, 0o777);
  writeFileSync(join(bin, 'sudo'), SUDO);
  chmodSync(join(bin, 'sudo'), 0o755);
  const keys = join(sshd.dir, 'authorized_keys');
  writeFileSync(keys, `environment="PATH=${bin}:/usr/bin:/bin" ${readFileSync(keys, 'utf8')}`);
  process.env.KEYLANE_TEST_SUDO = 'right horse';
  process.env.KEYLANE_TEST_WRONG = 'wrong horse';
});
afterAll(() => sshd.stop());

const RIGHT = { user: 'app', password: 'env:KEYLANE_TEST_SUDO' };

test('the password answers the question, and stdin goes to the command', async () => {
  const engine = await startEngine();
  const request = loginTo(sshd, { command: 'cat; echo err >&2; exit 3', stdin: 'for the command', sudo: RIGHT });
  expect(await engine.run('ssh', request)).toMatchObject({
    code: 3,
    signal: null,
    stdout: 'for the command',
    stderr: 'err\n',
  });
  expect(readFileSync(join(bin, 'calls'), 'utf8')).toContain('app 3');
});

test('where sudo asks for nothing the password is sent to nobody', async () => {
  const engine = await startEngine();
  writeFileSync(join(bin, 'free'), '');
  writeFileSync(join(bin, 'told'), '');
  for (const sudo of [RIGHT, true]) {
    const response = await engine.run('ssh', loginTo(sshd, { command: 'cat', stdin: 'mine', sudo }));
    expect(response).toMatchObject({ code: 0, stdout: 'mine', stderr: '' });
  }
  expect(readFileSync(join(bin, 'told'), 'utf8')).toBe('');
  const { rmSync } = await import('node:fs');
  rmSync(join(bin, 'free'));
});

test('a wrong password is its own error, tried once, and shown nowhere', async () => {
  const engine = await startEngine();
  writeFileSync(join(bin, 'told'), '');
  const witness = join(sshd.dir, 'bin', 'ran');
  const sudo = { password: 'env:KEYLANE_TEST_WRONG' };
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: `touch ${witness}`, sudo })));
  expect(error).toMatchObject({ code: 'ERR_SUDO', outcome: 'not_started', retryable: false });
  expect(error.message).toContain('the password is wrong (Sorry, try again.)');
  expect(error.message).not.toContain('horse');
  expect(readFileSync(join(bin, 'told'), 'utf8').trim()).toBe('wrong horse');
  expect(existsSync(witness)).toBe(false);
});

test('a password that is needed and not given is told as such', async () => {
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', sudo: true })));
  expect(error).toMatchObject({ code: 'ERR_SUDO', outcome: 'not_started' });
  expect(error.message).toContain('a password is required');
  expect(error.message).toContain('`sudo.password`');
});

test("sudo's lecture and its question are not the command's output", async () => {
  const engine = await startEngine();
  writeFileSync(join(bin, 'lecture'), 'We trust you have received the usual lecture.\n');
  const stream = engine.stream('ssh', loginTo(sshd, { command: 'echo out', sudo: RIGHT }));
  let seen = '';
  for await (const { data } of stream) seen += data;
  expect(seen).toBe('out\n');
  expect(await stream.response).toMatchObject({ code: 0, stdout: 'out\n', stderr: '' });
});

test('with a terminal it is the same', async () => {
  const engine = await startEngine();
  const response = await engine.run('ssh', loginTo(sshd, { command: 'test -t 1 && echo out', sudo: RIGHT, pty: true }));
  expect(response.code).toBe(0);
  expect(response.stdout).toBe('out\r\n');
});

test('a reference that leads nowhere is named before anything runs', async () => {
  const engine = await startEngine();
  const sudo = { password: 'env:KEYLANE_NOT_SET' };
  const error = await failure(engine.run('ssh', loginTo(sshd, { command: 'true', sudo })));
  expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
  expect(error.message).toContain('env:KEYLANE_NOT_SET');
});
