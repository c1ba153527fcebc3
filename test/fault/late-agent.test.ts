import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { AgentProtocol, type ParsedKey, utils } from 'ssh2';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { deferred } from '../../src/util/deferred.js';
import { settled } from '../support/fake-clock.js';
import { startProxy } from '../support/proxy.js';
import { rejection, SshHarness } from '../support/ssh-harness.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

test.each(['fin', 'rst'] as const)(
  'an agent that signs when the server has gone (%s) signs for nobody, and no exception is left over (S19)',
  async (by) => {
    const agent = await slowAgent();
    await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
    await using ssh = new SshHarness();
    const {
      identity: _,
      command: __,
      ...request
    } = { command: '', ...loginTo(sshd, { port: proxy.port, agent: agent.path }) };
    const opening = rejection(ssh.open({ ...request, hostKeys: 'insecure' }));
    await agent.asked;
    proxy.connections[0]?.cut(by);
    expect(await opening).toMatchObject({ code: 'ERR_CONNECT', outcome: 'not_started' });
    agent.sign();
    // The answer is written, read, and would have been thrown at by now: vitest fails on an exception that nobody caught.
    await agent.left;
    await settled();
  },
);

/** An agent with the key of the account, which signs when it is told to. */
async function slowAgent() {
  const [key] = [utils.parseKey(readFileSync(sshd.identity))].flat() as ParsedKey[];
  const asked = deferred<void>();
  const left = deferred<void>();
  const agent = {
    path: join(sshd.dir, `agent-${agents++}`),
    asked: asked.promise,
    sign: () => {},
    left: left.promise,
  };
  const server = createServer((socket) => {
    const protocol = new AgentProtocol(false);
    protocol.on('identities', (request) => protocol.getIdentitiesReply(request, [key as ParsedKey]));
    protocol.on('sign', (request, _key, data) => {
      socket.once('close', () => left.resolve());
      agent.sign = () => protocol.signReply(request, (key as ParsedKey).sign(data) as Buffer);
      asked.resolve();
    });
    socket.on('error', () => undefined);
    protocol.on('error', () => undefined);
    socket.pipe(protocol as unknown as Duplex).pipe(socket);
  });
  server.listen(agent.path);
  await once(server, 'listening');
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  return agent;
}

let agents = 0;
