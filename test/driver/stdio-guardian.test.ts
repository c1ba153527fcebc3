import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/util/clock.js';
import { Child } from '../../workers/drivers/stdio/child.js';
import { Guardian } from '../../workers/drivers/stdio/guardian.js';
import { until } from '../support/engine.js';
import { expectNoLeaks, held } from '../support/leaks.js';
import { descendants } from '../support/process-tree.js';

const TARGET = {
  name: 'cat',
  session: undefined,
  stateless: false,
  command: 'cat',
  args: [],
  cwd: undefined,
  env: { PATH: process.env.PATH ?? '' },
  secrets: {},
  framing: 'lines' as const,
  handshake: { kind: 'none' as const },
  requestsPerProcess: 1,
  processes: 1,
  restartsPerMinute: 5,
  startTimeoutMs: 10_000,
  idleMs: undefined,
  maxMessageBytes: 1_024,
};

const start = (guardian: Guardian) => Child.start(TARGET, {}, guardian, systemClock);

async function end(child: Child): Promise<void> {
  child.kill();
  await child.gone();
}

test('a guard goes when nobody is left to watch, also where the next one was there before it had gone', async () => {
  const before = held();
  const guardian = new Guardian();
  for (let i = 1; i <= 5; i++) {
    const child = await start(guardian);
    expect(guardian.counts.started).toBe(i);
    await end(child);
    // The guard of this one is ending while the next one starts.
  }
  await until(() => guardian.counts.running === 0);
  await expectNoLeaks(before);
});

test('a guard that is killed is replaced by one that knows of all that runs', async () => {
  const guardian = new Guardian();
  const first = await start(guardian);
  const isGuard = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sh\0-c\0');
  const guard = descendants(process.pid).find(isGuard) as number;
  process.kill(guard, 'SIGKILL');
  await until(() => guardian.counts.running === 0);
  const second = await start(guardian);
  expect(guardian.counts).toEqual({ running: 1, started: 2 });
  await Promise.all([end(first), end(second)]);
  await until(() => guardian.counts.running === 0);
});
