import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { KeylaneError } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { startEngine } from '../support/engine.js';
import { worstLag, worstShardLag } from '../support/loop-lag.js';
import { startProxy } from '../support/proxy.js';

const WAITERS = 200;
const T = 700;

test.each([
  ['takes connections and never says a word', silentPort],
  ['answers no SYN', deafPort],
])('200 waiters on a host that %s all end in [T, T + 50 ms + the lag of the loops] (P3)', async (_what, portOf) => {
  const port = await portOf();
  const engine = await startEngine();
  await engine.run('echo', { key: 'warm' });
  const calls = Array.from({ length: WAITERS }, async () => {
    const begun = performance.now();
    const request = { host: '127.0.0.1', port, user: 'nobody', command: 'true', hostKeys: 'insecure' as const };
    const error = await engine.run('ssh', request, { timeoutMs: T }).catch((thrown) => thrown);
    return { tookMs: performance.now() - begun, error: error as KeylaneError };
  });
  const all = Promise.all(calls);
  // The deadline is kept in the shard.
  const [lag, shardLag] = await Promise.all([worstLag(all), worstShardLag(engine, ['good'], all)]);
  for (const { tookMs, error } of await all) {
    expect(`${error.code} ${error.outcome}`).toBe('ERR_TIMEOUT not_started');
    expect(tookMs).toBeGreaterThanOrEqual(T);
    expect(tookMs).toBeLessThan(T + 50 + lag + shardLag);
  }
  const { inFlight, queued, shards } = await engine.stats();
  expect({ inFlight, queued, waiting: shards[0]?.inside?.waiting }).toEqual({ inFlight: 0, queued: 0, waiting: 0 });
  // Nobody waits for it any more, so nothing is kept open for them.
  await engine.close();
});

async function silentPort(): Promise<number> {
  const proxy = await startProxy({ to: { host: '127.0.0.1', port: 1 }, fault: { accept: 'mute' } });
  onTestFinished(() => proxy.stop());
  return proxy.port;
}

/** A server that is stopped with its queue of connections full: the kernel drops every further SYN. */
async function deafPort(): Promise<number> {
  const listen = `const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.send(s.address().port))`;
  const server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  onTestFinished(() => void server.kill('SIGKILL'));
  const [port] = (await once(server, 'message')) as [number];
  server.kill('SIGSTOP');
  const fillers: Socket[] = [];
  onTestFinished(() => {
    for (const socket of fillers) socket.destroy();
  });
  // The queue is full when one of them hears nothing while a connection to elsewhere is made ten times over.
  for (let full = false; !full; ) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    fillers.push(socket);
    for (let i = 0; i < 10 && socket.connecting; i++) await elsewhere();
    full = socket.connecting;
  }
  return port;
}

async function elsewhere(): Promise<void> {
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: 1 }, fault: { accept: 'mute' } });
  const socket = connect(proxy.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}
