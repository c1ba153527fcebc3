import { type Engine, KeylaneError, type SshHop, type SshRequest } from 'keylane';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';
import { connectionsTo, count } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

/** Outermost first; each with its own address, host key, user key and, where the tests may, user. */
let hops: Sshd[];
let target: Sshd;
const hosts = ['127.0.40.1', '127.0.40.2', '127.0.40.3'];

beforeAll(async () => {
  const asRoot = process.getuid?.() === 0 ? ['AllowUsers root', 'PermitRootLogin yes'] : [];
  [target, ...hops] = (await Promise.all([
    startSshd({ addresses: hosts }),
    startSshd({ addresses: ['127.0.41.1'] }),
    startSshd({ addresses: ['127.0.41.2'], config: asRoot }),
    startSshd({ addresses: ['127.0.41.3'] }),
  ])) as [Sshd, ...Sshd[]];
});
afterAll(() => Promise.all([target, ...hops].map((sshd) => sshd.stop())));

function hop(index: number, other: Partial<SshHop> = {}): SshHop {
  const { addresses, port, identity, knownHosts } = hops[index] as Sshd;
  const user = userOf(index);
  return { host: addresses[0] as string, port, user, identity, knownHosts, ...other };
}

function userOf(index: number): string {
  return index === 1 && process.getuid?.() === 0 ? 'root' : (hops[index] as Sshd).user;
}

function through(jump: SshRequest['jump'], other: Partial<SshRequest> = {}): SshRequest {
  const { port, user, identity, knownHosts } = target;
  return {
    host: hosts[0] as string,
    port,
    user,
    identity,
    knownHosts,
    jump,
    command: 'echo $SSH_CONNECTION',
    ...other,
  } as SshRequest;
}

test.each([1, 2, 3])('a command goes through %i hops, each with its own user, key and host key', async (length) => {
  const engine = await startEngine();
  const before = hops.map((sshd, index) => count(sshd, `Accepted publickey for ${userOf(index)} `));
  const jump = hops.slice(0, length).map((_, index) => hop(index));
  const response = await engine.run('ssh', through(jump));
  expect(response).toMatchObject({ code: 0, signal: null });
  expect(response.stdout).toMatch(new RegExp(` ${hosts[0]} ${target.port}\n$`));
  const after = hops.map((sshd, index) => count(sshd, `Accepted publickey for ${userOf(index)} `));
  expect(after.map((now, index) => now - (before[index] as number))).toEqual(hops.map((_, i) => (i < length ? 1 : 0)));
});

test('much data goes through both ways unharmed', async () => {
  const engine = await startEngine();
  const stdin = Buffer.alloc(8 << 20, 'the quick brown fox ');
  const jump = [hop(0), hop(1)];
  const response = await engine.run(
    'ssh',
    through(jump, { command: 'cat', stdin, encoding: 'buffer', maxOutputBytes: 16 << 20 }),
  );
  expect(stdin.equals(response.stdout as Buffer)).toBe(true);
});

test('one connection to a bastion serves 100 hosts behind it', async () => {
  const engine = await startEngine({ shards: 2 });
  // sshd listens on 16 addresses at most.
  const addresses = Array.from({ length: 100 }, (_, i) => `127.0.42.${i + 1}`);
  const groups = Array.from({ length: 7 }, (_, i) => addresses.slice(i * 15, i * 15 + 15));
  const sshds = await Promise.all(groups.map((group) => startSshd({ addresses: group })));
  onTestFinished(async () => void (await Promise.all(sshds.map((sshd) => sshd.stop()))));
  const requests = sshds.flatMap(({ addresses: group, port, user, identity, knownHosts }) =>
    group.map((host) => through([hop(0)], { host, port, user, identity, knownHosts, command: 'true' })),
  );
  const before = connectionsTo(hops[0] as Sshd);
  const outcomes: string[] = [];
  for await (const { outcome, error } of engine.batch('ssh', requests)) outcomes.push(error?.message ?? outcome);
  expect(outcomes).toEqual(addresses.map(() => 'ok'));
  expect(connectionsTo(hops[0] as Sshd) - before).toBe(1);
  expect(sshds.map((sshd) => count(sshd, 'Accepted publickey'))).toEqual(groups.map((group) => group.length));
});

test.each([0, 1, 2])('hop %i is cut in the middle of a command: the outcome is unknown', async (cut) => {
  const to = { host: (hops[cut] as Sshd).addresses[0] as string, port: (hops[cut] as Sshd).port };
  await using proxy = await startProxy({ to });
  const jump = [0, 1, 2].map((index) =>
    hop(index, index === cut ? { host: '127.0.0.1', port: proxy.port, hostKeys: 'insecure' } : {}),
  );
  const engine = await startEngine();
  const started = `keylane-jump-${process.pid}-${cut}`;
  const stream = engine.stream('ssh', through(jump, { command: `echo ${started}; exec sleep 1000` }));
  const { value } = await stream[Symbol.asyncIterator]().next();
  expect(value?.data.toString()).toContain(started);
  const running = failure(stream.response);
  for (const connection of proxy.connections) connection.cut('rst');
  expect(await running).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'unknown' });
  // And the way is built anew.
  expect(await engine.run('ssh', through(jump))).toMatchObject({ code: 0 });
});

test("each hop is verified by its own entry: another's key is no excuse", async () => {
  const engine = await startEngine();
  const wrong = hop(1, { knownHosts: (hops[0] as Sshd).knownHosts });
  const error = await failure(engine.run('ssh', through([hop(0), wrong, hop(2)])));
  expect(error).toMatchObject({ code: 'ERR_HOST_KEY', outcome: 'not_started' });
  expect(error.message).toContain(`[127.0.41.2]:${(hops[1] as Sshd).port}`);
});

test('a bastion that refuses us costs the host behind it nothing', async () => {
  const engine = await startEngine();
  const wrong = hop(0, { identity: (hops[1] as Sshd).identity });
  for (let i = 0; i < 2; i++) {
    const error = await failure(engine.run('ssh', through([wrong])));
    expect(error).toMatchObject({ code: 'ERR_AUTH', outcome: 'not_started' });
    expect(error.message).toContain('127.0.41.1');
  }
  expect(await engine.run('ssh', through([hop(1)]))).toMatchObject({ code: 0 });
});

test('a host behind a bastion that refuses us costs its neighbours nothing', async () => {
  const engine = await startEngine();
  const wrong = (hops[1] as Sshd).identity;
  for (let i = 0; i < 3; i++) {
    const error = await failure(engine.run('ssh', through([hop(0)], { host: hosts[1] as string, identity: wrong })));
    expect(error).toMatchObject({ code: 'ERR_AUTH' });
  }
  expect(await engine.run('ssh', through([hop(0)], { host: hosts[2] as string }))).toMatchObject({ code: 0 });
});

test('a host that the bastion cannot reach is not started, and says who could not', async () => {
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', through([hop(0)], { port: 1 })));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: true });
  expect(error.message).toContain(`127.0.41.1:${(hops[0] as Sshd).port} does not reach ${hosts[0]}:1`);
});

test('a bastion that forwards nothing is named with the option', async () => {
  await using closed = await startSshd({ config: ['AllowTcpForwarding no'] });
  const { port, user, identity, knownHosts } = closed;
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', through([{ host: '127.0.0.1', port, user, identity, knownHosts }])));
  expect(error).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started', retryable: false });
  expect(error.message).toContain('AllowTcpForwarding');
});

test('a bastion that does not answer costs one deadline', async () => {
  await using proxy = await startProxy({ to: { host: '127.0.41.1', port: (hops[0] as Sshd).port } });
  proxy.fault = { accept: 'mute' };
  const engine = await startEngine({ ssh: { connectTimeoutMs: 300 } });
  const jump = [hop(0, { host: '127.0.0.1', port: proxy.port, hostKeys: 'insecure' })];
  expect(await failure(engine.run('ssh', through(jump)))).toMatchObject({
    code: 'ERR_CONNECT',
    outcome: 'not_started',
  });
});

test('a loop is refused before anything is opened', async () => {
  const engine = await startEngine();
  const again = { host: hosts[0] as string, port: target.port, user: target.user };
  for (const jump of [[hop(0), hop(0)], [hop(0), hop(1), hop(0)], [again]]) {
    const error = await failure(engine.run('ssh', through(jump)));
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
    expect(error.message).toContain('twice');
  }
});

test('when the engine closes, every connection of the way is closed', async () => {
  const engine: Engine = await startEngine();
  await engine.run('ssh', through([hop(0), hop(1), hop(2)]));
  await engine.close();
  expect(await failure(engine.run('ssh', through([hop(0)])))).toBeInstanceOf(KeylaneError);
  await until(() =>
    hops.every(
      (sshd) =>
        count(sshd, 'Accepted publickey') <=
        count(sshd, 'Disconnected from user') +
          count(sshd, 'Connection closed by') +
          count(sshd, 'Connection reset by'),
    ),
  );
});
