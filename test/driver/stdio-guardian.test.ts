import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { Guardian, MARKER } from '../../workers/drivers/stdio/guardian.js';
import { descendants, kill, runs } from '../support/process-tree.js';
import { until } from '../support/until.js';

const started: number[] = [];

afterEach(() => {
  for (const pid of started.splice(0)) kill(pid, 'SIGKILL');
});

/** A process as the driver starts them, and one that has left its group; both sleep. */
async function start(guardian: Guardian) {
  const { number, marker } = await guardian.expect();
  const options = { detached: true, env: { PATH: process.env.PATH, [MARKER]: marker } };
  const child = spawn('sh', ['-c', 'setsid sleep 600 & echo $!; exec sleep 600'], {
    ...options,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = child.pid as number;
  const [said] = await once(child.stdout, 'data');
  const stray = Number(said);
  started.push(pid, stray);
  await guardian.started(number, pid);
  return { number, pid, stray };
}

/** Killed they are: one that has lost its memory, and is found by its environment no more, may have to wait for its last turn. */
const gone = (pids: readonly number[]) => until(() => !pids.some(runs));

test('what a process leaves behind is gone when it is over, and nothing else is', async () => {
  const guardian = new Guardian();
  const all = await Promise.all(Array.from({ length: 5 }, () => start(guardian)));
  expect(guardian.counts).toEqual({ running: 1, started: 1 });
  const [one, two, ...others] = all as [(typeof all)[0], (typeof all)[0], ...typeof all];
  for (const { pid } of [one, two]) kill(-pid, 'SIGKILL');
  await Promise.all([guardian.over(one.number), guardian.over(two.number)]);
  await gone([one, two].flatMap(({ pid, stray }) => [pid, stray]));
  expect(others.flatMap(({ pid, stray }) => [pid, stray]).every(runs)).toBe(true);
  await Promise.all(others.map(({ number }) => guardian.over(number)));
  await gone(others.map(({ stray }) => stray));
  await until(() => guardian.counts.running === 0);
});

test('there is a guard while there are processes, and another where somebody has killed it', async () => {
  const guardian = new Guardian();
  const before = descendants(process.pid);
  const one = await start(guardian);
  const theGuard = () =>
    descendants(process.pid).filter((pid) => !before.includes(pid) && !started.includes(pid)) as [number];
  kill(theGuard()[0], 'SIGKILL');
  await until(() => guardian.counts.running === 0);
  const two = await start(guardian);
  expect(guardian.counts).toEqual({ running: 1, started: 2 });
  // The new one knows of what the old one watched over.
  for (const { number, pid } of [one, two]) {
    kill(-pid, 'SIGKILL');
    await guardian.over(number);
  }
  await gone([one, two].map(({ stray }) => stray));
  await until(() => guardian.counts.running === 0);
});
