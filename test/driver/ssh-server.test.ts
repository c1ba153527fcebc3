import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { Server as NetServer } from 'node:net';
import { type AuthContext, type Connection, Server, type ServerChannel, type Session } from 'ssh2';
import { afterEach, expect, test } from 'vitest';
import type { SshRequest } from '../../src/ssh-types.js';
import { FakeExecute } from '../support/driver-context.js';
import { rejection, SshHarness } from '../support/ssh-harness.js';

/** What a real sshd cannot be made to do: passwords without accounts, partial success, lies. */

const HOST_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs1',
  format: 'pem',
});
const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of cleanUp.splice(0).reverse()) await end();
});

interface Behaviour {
  auth?: (attempt: AuthContext) => void;
  session?: (session: Session, connection: Connection) => void;
  connection?: (connection: Connection) => void;
}

async function serve(behaviour: Behaviour, options: ConstructorParameters<typeof SshHarness>[0] = {}) {
  const connections = new Set<Connection>();
  const server = new Server({ hostKeys: [HOST_KEY as string] }, (connection) => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', behaviour.auth ?? ((attempt) => attempt.accept()));
    connection.on('session', (accept) => behaviour.session?.(accept(), connection));
    behaviour.connection?.(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = (server as unknown as NetServer).address() as { port: number };
  const ssh = new SshHarness(options);
  cleanUp.push(async () => {
    await ssh[Symbol.asyncDispose]();
    for (const connection of connections) connection.end();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  // A folder that does not exist: no keys and no agent of whoever runs the tests.
  const request = { host: '127.0.0.1', port, user: 'me', hostKeys: 'insecure', knownHosts: '/nonexistent' };
  return { ssh, request: request as Omit<SshRequest, 'command'>, port };
}

const answering = (say: (channel: ServerChannel) => void) => (session: Session) => {
  session.on('exec', (accept) => say(accept()));
};
const yes = answering((channel) => {
  channel.exit(0);
  channel.end();
});

test('a password logs in, and is asked for by its reference', async () => {
  const { ssh, request } = await serve({
    auth: (attempt) => {
      if (attempt.method === 'password' && attempt.password === 'hunter2') attempt.accept();
      else attempt.reject(['password']);
    },
    session: yes,
  });
  const { context, run } = await ssh.open({ ...request, password: 'env:PASSWORD' }, { secret: () => 'hunter2' });
  expect(context.asked).toEqual([{ question: 'secret', about: 'env:PASSWORD' }]);
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('a wrong password is an authentication failure that does not show it', async () => {
  const { ssh, request } = await serve({ auth: (attempt) => attempt.reject(['password', 'publickey']) });
  const error = await rejection(ssh.open({ ...request, password: 'env:PASSWORD' }, { secret: () => 'hunter2' }));
  expect(error).toMatchObject({ code: 'ERR_AUTH', retryable: false });
  expect(error.message).toMatch(/tried .*password.*the server allows password, publickey/);
  expect(error.message).not.toContain('hunter2');
});

test('where only keyboard-interactive is allowed, the password answers the hidden question', async () => {
  const { ssh, request } = await serve({
    auth: (attempt) => {
      if (attempt.method !== 'keyboard-interactive') return attempt.reject(['keyboard-interactive']);
      attempt.prompt(
        [
          { prompt: 'Name:', echo: true },
          { prompt: 'Password:', echo: false },
        ],
        (answers) => {
          if (answers[0] === '' && answers[1] === 'hunter2') attempt.accept();
          else attempt.reject();
        },
      );
    },
    session: yes,
  });
  const { run } = await ssh.open({ ...request, password: 'env:PASSWORD' }, { secret: () => 'hunter2' });
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('a server that wants a key and then a password gets both', async () => {
  const { writeFileSync, mkdtempSync, rmSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const dir = mkdtempSync(`${tmpdir()}/keylane-partial-`);
  cleanUp.push(() => rmSync(dir, { recursive: true }));
  const identity = `${dir}/key`;
  writeFileSync(identity, HOST_KEY, { mode: 0o600 });
  let keyed = false;
  const { ssh, request } = await serve({
    auth: (attempt) => {
      if (attempt.method === 'publickey') {
        if (!attempt.signature) return attempt.accept();
        keyed = true;
        return attempt.reject(['password'], true);
      }
      if (keyed && attempt.method === 'password') return attempt.accept();
      return attempt.reject(['publickey']);
    },
    session: yes,
  });
  const { run } = await ssh.open({ ...request, identity, password: 'env:PASSWORD' }, { secret: () => 'hunter2' });
  expect(await run('true')).toMatchObject({ code: 0 });
});

test('a server that closes the channel without a status has an unknown outcome', async () => {
  const { ssh, request } = await serve({ session: answering((channel) => channel.close()) });
  const { run } = await ssh.open(request);
  expect(await rejection(run('true'))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
});

test('a server that refuses to run commands has started nothing, and the connection stays', async () => {
  const { ssh, request } = await serve({
    session: (session) => void session.on('exec', (_accept, reject) => reject()),
  });
  const { run, reusable } = await ssh.open(request);
  expect(await rejection(run('true'))).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: false });
  expect(reusable()).toBe(true);
});

test('a connection that is cut before the reply to the command leaves it unknown', async () => {
  const { ssh, request } = await serve({
    session: (session, connection) => void session.on('exec', () => connection.end()),
  });
  const { run, context } = await ssh.open(request);
  expect(await rejection(run('true'))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  expect(context.losses).toEqual([]);
});

test('a status whose output was cut is not taken for an answer', async () => {
  const { ssh, request } = await serve({
    session: (session, connection) =>
      void session.on('exec', (accept) => {
        const channel = accept();
        channel.write('half of it', () => {
          channel.exit(0);
          connection.end();
        });
      }),
  });
  const { run } = await ssh.open(request);
  const error = await rejection(run('true'));
  expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  expect(error.message).toContain('status 0');
});

test('a server that never answers the channel is left after the deadline, with nothing started', async () => {
  const { ssh, request } = await serve(
    { connection: (connection) => void connection.on('session', () => undefined) },
    { connectTimeoutMs: 300 },
  );
  const { run, reusable } = await ssh.open(request);
  expect(await rejection(run('true'))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started' });
  expect(reusable()).toBe(false);
});

test('a server that never answers the command is left after the deadline, with an unknown outcome', async () => {
  const { ssh, request } = await serve(
    { session: (session) => void session.on('exec', () => undefined) },
    { connectTimeoutMs: 300 },
  );
  const { run, reusable } = await ssh.open(request);
  const context = new FakeExecute();
  expect(await rejection(run('true', context))).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  expect([context.sents, reusable()]).toEqual([1, false]);
});

test('a server that sends more than the window is cut off', async () => {
  const { ssh, request } = await serve({
    session: (session, connection) =>
      void session.on('exec', (accept) => {
        const channel = accept() as ServerChannel & { outgoing: { id: number } };
        const protocol = (connection as unknown as { _protocol: { channelData(id: number, data: Buffer): void } })
          ._protocol;
        for (let i = 0; i < 100; i++) protocol.channelData(channel.outgoing.id, Buffer.alloc(32_768));
      }),
  });
  const { run, reusable } = await ssh.open(request);
  // The reader takes nothing, so that no window is given.
  const context = new FakeExecute({ onChunk: () => new Promise(() => undefined) });
  const error = await rejection(run('true', context));
  expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
  expect(error.message).toContain('more than it was allowed');
  expect(reusable()).toBe(false);
});

test('a server with nothing but weak algorithms is refused, and not tried again', async () => {
  const weak = new Server(
    { hostKeys: [HOST_KEY as string], algorithms: { kex: ['diffie-hellman-group14-sha1'] } },
    (connection) => {
      connection.on('error', () => undefined);
    },
  );
  weak.listen(0, '127.0.0.1');
  await once(weak, 'listening');
  cleanUp.push(() => new Promise<void>((resolve) => void weak.close(() => resolve())));
  const { port } = (weak as unknown as NetServer).address() as { port: number };
  const error = await rejection(
    new SshHarness().open({ host: '127.0.0.1', port, user: 'me', hostKeys: 'insecure', knownHosts: '/nonexistent' }),
  );
  expect(error).toMatchObject({ code: 'ERR_CONNECT', retryable: false });
});

test('a reader that throws ends its own command, and no other on the connection', async () => {
  let release!: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { ssh, request } = await serve({
    session: answering((channel) => {
      channel.write('hello');
      void released.then(() => {
        channel.exit(0);
        channel.end();
      });
    }),
  });
  const { run } = await ssh.open(request);
  const other = run('true');
  const context = new FakeExecute({
    onChunk: () => {
      throw new Error('oops');
    },
  });
  expect(await rejection(run('true', context))).toMatchObject({ code: 'ERR_CANCELED' });
  release();
  expect(await other).toMatchObject({ code: 0, stdout: 'hello' });
});
