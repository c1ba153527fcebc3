import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { descendants, kill } from '../support/process-tree.ts';
import { Serving } from '../support/serve.ts';

const LISTENER = fileURLToPath(new URL('../support/programs/notify-socket.pl', import.meta.url));
const UNIT = fileURLToPath(new URL('../../docs/keylane.service', import.meta.url));

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** What systemd would hear. */
async function listener(): Promise<{ socket: string; heard: string[] }> {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-notify-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const socket = join(dir, 'socket');
  const child = spawn('perl', [LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill());
  const heard: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => heard.push(...text.split('\n').filter(Boolean)));
  await until(() => heard.includes('listens'));
  return { socket, heard };
}

const envOf = (socket: string, watchdogMs: number) => ({
  NOTIFY_SOCKET: socket,
  WATCHDOG_USEC: String(watchdogMs * 1_000),
});

test('systemd is told when it is ready, that it lives, and that it stops', async () => {
  const { socket, heard } = await listener();
  const serving = await Serving.start(['--no-restart'], undefined, envOf(socket, 400));
  await until(() => heard.includes('READY=1') && heard.filter((note) => note === 'WATCHDOG=1').length >= 3);
  serving.child.kill('SIGTERM');
  await until(() => heard.includes('STOPPING=1'));
  expect((await serving.end()).status).toBe(0);
});

test('a service that is started again tells that it is ready again', async () => {
  const { socket, heard } = await listener();
  const serving = await Serving.start([], undefined, envOf(socket, 60_000));
  const times = () => heard.filter((note) => note === 'READY=1').length;
  await until(() => times() === 1);
  kill(descendants(serving.child.pid!)[0]!, 'SIGABRT');
  await until(() => times() === 2);
  serving.child.kill('SIGTERM');
  expect((await serving.end()).status).toBe(0);
});

test('a service that stands still gives no sign of life', async () => {
  const [still, living] = await Promise.all([listener(), listener()]);
  const [one, other] = await Promise.all(
    [still, living].map(({ socket }) => Serving.start(['--no-restart'], undefined, envOf(socket, 400))),
  );
  await until(() => still.heard.includes('WATCHDOG=1'));
  one!.child.kill('SIGSTOP');
  // What it had begun to tell before. They end as zombies: nobody waits for them.
  await until(() => descendants(one!.child.pid!).length === 0);
  const signs = () => living.heard.filter((note) => note === 'WATCHDOG=1').length;
  const before = { still: still.heard.length, living: signs() };
  await until(() => signs() >= before.living + 4);
  expect(still.heard.length - before.still).toBeLessThanOrEqual(1);
  one!.child.kill('SIGKILL');
  other!.child.kill('SIGTERM');
  await Promise.all([once(one!.child, 'exit'), other!.end()]);
});

test('systemd finds nothing wrong with the unit', async () => {
  const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', UNIT]).catch(
    (error: { stderr: string }) => error,
  );
  // The program is not installed where the tests run.
  expect(stderr.split('\n').filter((line) => line !== '' && !/is not executable/.test(line))).toEqual([]);
});
