import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { connectionsTo, loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd.stop());

const thrown = new Error('thrown by a callback');
const throws = () => {
  throw thrown;
};

test.each([
  ['onChunk', { onChunk: throws }],
  ['onStart', { onStart: throws }],
])('a throw in %s ends its batch with that error, and others on the connection complete (S11)', async (_name, bad) => {
  const engine = await startEngine({ limits: { connectionsPerLane: 1 } });
  const connections = connectionsTo(sshd);
  const dir = mkdtempSync(join(sshd.dir, 'gate-'));
  chmodSync(dir, 0o755);
  const gate = join(dir, 'open');
  const waits = `until test -e '${gate}'; do sleep 0.02; done; echo through`;
  const chunks: string[] = [];
  const others = engine.batch('ssh', [loginTo(sshd, { command: `echo in; ${waits}` })], {
    onChunk: (_index, { data }) => chunks.push(String(data)),
  });
  const otherResult = others.next();
  const run = engine.run('ssh', loginTo(sshd, { command: waits }));
  const stream = engine.stream('ssh', loginTo(sshd, { command: `echo in; ${waits}` }));
  expect(String((await stream.next()).value?.data)).toBe('in\n');

  const requests = Array.from({ length: 5 }, () => loginTo(sshd, { command: 'echo bad; exec sleep 60' }));
  const settled: Result[] = [];
  const iterate = async () => {
    for await (const result of engine.batch('ssh', requests, bad)) settled.push(result);
  };
  await expect(iterate()).rejects.toBe(thrown);
  // What it had begun was called off.
  for (const { outcome } of settled) expect(outcome).toBe('canceled');

  writeFileSync(gate, '');
  expect((await run).stdout).toBe('through\n');
  expect((await otherResult).value).toMatchObject({ outcome: 'ok' });
  expect(chunks.join('')).toBe('in\nthrough\n');
  const rest: string[] = [];
  for await (const { data } of stream) rest.push(String(data));
  expect(rest.join('')).toBe('through\n');
  expect((await engine.run('ssh', loginTo(sshd, { command: 'echo after' }))).stdout).toBe('after\n');
  expect(connectionsTo(sshd) - connections).toBe(1);
  expect((await engine.stats()).shards[0]?.restarts).toBe(0);
});

test('a throw in the loop over a stream cancels that stream and nothing else (S11)', async () => {
  const engine = await startEngine({ limits: { connectionsPerLane: 1 } });
  const connections = connectionsTo(sshd);
  const stream = engine.stream('ssh', loginTo(sshd, { command: 'yes' }));
  const iterate = async () => {
    for await (const _ of stream) throws();
  };
  const other = engine.run('ssh', loginTo(sshd, { command: 'sleep 0.3; echo other' }));
  await expect(iterate()).rejects.toBe(thrown);
  await expect(stream.response).rejects.toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  expect((await other).stdout).toBe('other\n');
  expect(connectionsTo(sshd) - connections).toBe(1);
});
