import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SshRequest } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { startSshServers } from '../../load/peers/ssh-server.js';
import { startEngine } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';
import { seeded } from '../support/seed.js';

test('changing any one of who and where gives a new connection, and equal ones share theirs (P13)', async () => {
  const random = seeded();
  const dir = mkdtempSync(join(tmpdir(), 'keylane-tenants-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  // It opens the account to any name, which sshd does not.
  await using servers = await startSshServers({ addresses: ['127.0.0.1'], mode: 'light' });
  const to = { host: '127.0.0.1', port: servers.port };
  await using one = await startProxy({ to });
  await using other = await startProxy({ to });

  const key = readFileSync(servers.knownHosts, 'utf8').trim().split(' ').slice(1).join(' ');
  const names = ['127.0.0.1', 'localhost'].flatMap((host) => [`[${host}]:${one.port}`, `[${host}]:${other.port}`]);
  const file = (name: string, write: (path: string) => void) => {
    write(join(dir, name));
    return join(dir, name);
  };
  const known = (path: string) => writeFileSync(path, names.map((name) => `${name} ${key}\n`).join(''));
  const identity = (path: string) => copyFileSync(servers.identity, path);
  process.env.KEYLANE_TEST_A = 'a';
  process.env.KEYLANE_TEST_B = 'b';

  const lanes = allOf({
    host: ['127.0.0.1', 'localhost'],
    port: [one.port, other.port],
    user: ['anna', 'bert'],
    identity: [file('id-a', identity), file('id-b', identity)],
    password: ['env:KEYLANE_TEST_A', 'env:KEYLANE_TEST_B'],
    hostKeys: ['strict', 'accept-new'],
    knownHosts: [file('known-a', known), file('known-b', known)],
  });
  expect(lanes).toHaveLength(128);

  // One after the other: the connections of all lanes before are idle, and would be taken if any of them were equal.
  const engine = await startEngine({ shards: 2 });
  const connections = () => [...one.connections, ...other.connections];
  const owns = new Map<SshRequest, ReturnType<typeof connections>[number]>();
  for (const lane of shuffled(lanes)) {
    const before = new Set(connections());
    await engine.run('ssh', { ...lane, command: 'true' });
    const made = connections().filter((connection) => !before.has(connection));
    expect(made).toHaveLength(1);
    owns.set(lane, made[0] as (typeof made)[number]);
  }
  for (const lane of shuffled(lanes)) {
    const before = connections().map((connection) => ({ connection, bytes: connection.count('up') }));
    await engine.run('ssh', { ...lane, command: 'true' });
    const used = before.filter(({ connection, bytes }) => connection.count('up') > bytes);
    // A channel of another lane may still be closing: what must not be is that the request went anywhere else.
    expect(used.map(({ connection }) => connection)).toContain(owns.get(lane));
    expect(connections()).toHaveLength(lanes.length);
  }

  function shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
});

/** Every combination: each pair of requests differs in one field at least. */
function allOf(fields: { [K in keyof SshRequest]: SshRequest[K][] }): SshRequest[] {
  return Object.entries(fields).reduce<SshRequest[]>(
    (made, [name, values]) => made.flatMap((request) => values.map((value) => ({ ...request, [name]: value }))),
    [{ host: '' }],
  );
}
