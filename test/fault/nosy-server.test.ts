import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { Server as NetServer } from 'node:net';
import { type AuthContext, Server } from 'ssh2';
import { expect, onTestFinished, test } from 'vitest';
import { rejection, SshHarness } from '../support/ssh-harness.js';

const HOST_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs1',
  format: 'pem',
});

/** A server that asks one question after the other, and keeps what it is told. */
async function nosy(questions: readonly string[]): Promise<{ port: number; told: string[] }> {
  const told: string[] = [];
  const ask = (attempt: AuthContext, left: readonly string[]) => {
    const [prompt, ...others] = left;
    if (attempt.method !== 'keyboard-interactive' || prompt === undefined) {
      attempt.reject(['keyboard-interactive']);
      return;
    }
    attempt.prompt([{ prompt, echo: false }], (answers) => {
      told.push(...answers);
      ask(attempt, others);
    });
  };
  const server = new Server({ hostKeys: [HOST_KEY as string] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (attempt) => ask(attempt, questions));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return { port: ((server as unknown as NetServer).address() as { port: number }).port, told };
}

const IDENTITY = '/nonexistent/key';

test.each<[string, string[], string[]]>([
  ['the password again', ['Password: ', 'Password: '], ['hunter2']],
  ['a second secret', ['Password: ', 'Verification code: '], ['hunter2']],
  ['a passphrase', [`Enter passphrase for key '${IDENTITY}': `], []],
  ['the password in words of its own', ["me@bank's password: "], ['hunter2']],
  ['a passphrase on a line of its own', ["x\rEnter passphrase for key '/nonexistent/key': "], []],
])('a server that asks ssh for %s gets the password at most, and once', async (_what, questions, answers) => {
  const { port, told } = await nosy(questions);
  await using ssh = new SshHarness();
  const request = {
    ...{ host: '127.0.0.1', port, user: 'me', hostKeys: 'insecure' as const, knownHosts: '/dev/null' },
    ...{ transport: 'openssh' as const, agent: 'none', identity: IDENTITY },
    ...{ password: 'env:PASSWORD', passphrase: 'env:PASSPHRASE' },
  };
  const secret = (reference: string) => (reference === 'env:PASSWORD' ? 'hunter2' : 'correct horse');
  const error = await rejection(ssh.open(request, { secret }));
  expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started' });
  expect(error.message).not.toMatch(/hunter2|horse/);
  expect(told).toEqual(answers);
});
