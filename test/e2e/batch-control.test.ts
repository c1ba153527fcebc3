import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { BatchFolder, echoes, indexes, linesOf, upTo } from './batch-cli.ts';
import { Cli } from './exec-cli.ts';

const FLAGS = ['--driver', 'echo', '--id', 'b'];

test('--max-failures starts no more, and retry runs what failed and what never started, with its flags', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(50, (index) => (index < 5 ? { fault: 'failed' } : {})));
  const ran = await folder.run(
    'run',
    file,
    ...FLAGS,
    '-c',
    '1',
    '--max-failures',
    '3',
    '--ordered',
    '--out',
    folder.path('out'),
  );
  expect(ran.status).toBe(3);
  const lines = folder.lines('out');
  expect(indexes(lines)).toEqual(upTo(50));
  expect(lines.filter(({ outcome }) => outcome === 'failed')).toHaveLength(3);
  const stopped = lines.filter(({ outcome }) => outcome === 'not_started');
  expect(stopped).toHaveLength(47);
  expect(stopped.every(({ error }) => error?.code === 'ERR_STOPPED')).toBe(true);
  expect(ran.err).toContain(`keylane batch retry b --failed --not-started --data-dir ${folder.data}`);
  // It has ended: to go on with it is to be told how to run the rest.
  const resumed = await folder.run('resume', 'b');
  expect(resumed.status).toBe(3);
  expect(resumed.err).toContain('keylane batch retry b --failed --not-started');

  const failed = await folder.run('retry', 'b', '--failed', '--max-failures', '100', '-q');
  expect(linesOf(failed.out).map(({ id }) => id)).toEqual(['job-0', 'job-1', 'job-2']);
  const all = await folder.run('retry', 'b', '--max-failures', '100', '--id', 'again', '-q');
  expect(linesOf(all.out)).toHaveLength(50);
  // As the first was: in order.
  expect(indexes(linesOf(all.out))).toEqual(upTo(50));
  expect(await folder.summary('b-retry-1')).toMatchObject({ state: 'done', total: 3 });
  expect(await folder.summary('again')).toMatchObject({ state: 'done', total: 50 });
}, 60_000);

test('--canary runs so many first, and the others only if these are ok', async () => {
  const folder = new BatchFolder();
  const bad = folder.jobs(echoes(20, (index) => (index === 1 ? { fault: 'failed' } : {})));
  const stopped = await folder.run('run', bad, ...FLAGS, '--canary', '3', '-q');
  expect(stopped.status).toBe(3);
  const outcomes = linesOf(stopped.out)
    .sort((a, b) => a.index - b.index)
    .map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['ok', 'failed', 'ok', ...Array(17).fill('not_started')]);
  expect(stopped.err).toContain('keylane batch run: stopped');
  const good = await folder.run('run', folder.jobs(echoes(20)), '--driver', 'echo', '--canary', '3', '-q');
  expect(good).toMatchObject({ status: 0, err: '' });
  expect(indexes(linesOf(good.out)).slice(0, 3).sort()).toEqual([0, 1, 2]);
});

test('--wave runs those of a label before the others', async () => {
  const folder = new BatchFolder();
  const jobs = echoes(12, () => ({ delayMs: 20 })).map((job, index) => ({
    ...job,
    labels: [['none', 'eu', 'first'][index % 3]!],
  }));
  const ran = await folder.run('run', folder.jobs(jobs), ...FLAGS, '--wave', 'first', '--wave', 'eu');
  expect(ran.status).toBe(0);
  const waves = indexes(linesOf(ran.out)).map((index) => ['none', 'eu', 'first'][index % 3]);
  expect(waves).toEqual([...Array(4).fill('first'), ...Array(4).fill('eu'), ...Array(4).fill('none')]);
});

test('what comes after another is retried with it, and left out where that may have run', async () => {
  const folder = new BatchFolder();
  const jobs = [
    { id: 'a', request: { key: 'a', fault: 'failed' } },
    { id: 'b', after: ['a'], request: { key: 'b' } },
    { id: 'c', request: { key: 'c', fault: 'ERR_CONNECTION_LOST' } },
    { id: 'd', after: ['c'], request: { key: 'd' } },
    { id: 'e', request: { key: 'e' } },
    { id: 'f', after: ['e', 'a'], request: { key: 'f' } },
  ];
  const ran = await folder.run('run', folder.jobs(jobs), ...FLAGS, '--ordered', '-q');
  expect(linesOf(ran.out).map(({ outcome }) => outcome)).toEqual([
    'failed',
    'not_started',
    'unknown',
    'not_started',
    'ok',
    'not_started',
  ]);
  const retried = await folder.run('retry', 'b');
  expect(retried.err).toContain('1 request left out');
  expect(linesOf(retried.out).map(({ id }) => id)).toEqual(['a', 'b', 'f']);
});

test('cancel ends a batch that another process runs; what it never began is told, and can be retried', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(40, () => ({ delayMs: 60_000 })));
  const cli = folder.start('run', file, ...FLAGS, '-c', '4', '--out', folder.path('out'));
  await cli.until('err', 'batch b, 40 requests');
  // One owner at a time.
  const second = await folder.run('resume', 'b');
  expect(second).toMatchObject({ status: 2, out: '' });
  expect(second.err).toMatch(/process \d+ runs the batch b/);
  expect((await folder.look('rm', 'b')).status).toBe(2);
  const canceled = await folder.look('cancel', 'b');
  expect(canceled.status).toBe(0);
  expect(canceled.out).toMatch(/^canceled b: \d+ requests not started/);
  const ended = await cli.end();
  expect(ended.status).toBe(3);
  expect(ended.err).toContain('keylane batch retry b --not-started --canceled');
  expect(indexes(folder.lines('out')).sort((a, b) => a - b)).toEqual(upTo(40));
  expect(folder.lines('out').some(({ error }) => error?.code === 'ERR_CANCELED')).toBe(true);
}, 60_000);

test('a changed input is refused, by resume and by retry', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(20, (index) => ({ fault: 'failed', delayMs: index === 19 ? 60_000 : 0 })));
  const cli = folder.start('run', file, ...FLAGS);
  await cli.until('out', '\n', 19);
  cli.child.kill('SIGTERM');
  await cli.end();
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('host-5', 'host-6'));
  const refused = await folder.run('resume', 'b');
  expect(refused).toMatchObject({ status: 2, out: '' });
  expect(refused.err).toContain(file);
  writeFileSync(file, text.replace('60000', '0'));
  expect((await folder.run('resume', 'b')).status).toBe(2);
});

test('show --follow tells until the end, one line at a time for programs', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(8, (index) => ({ delayMs: index < 7 ? 0 : 60_000 })));
  const cli = folder.start('run', file, ...FLAGS, '-q');
  await cli.until('out', '\n', 7);
  const follow = new Cli(['batch', 'show', 'b', '--follow', '--format', 'ndjson', '--data-dir', folder.data]);
  await follow.until('out', '\n', 2);
  cli.child.kill('SIGTERM');
  expect((await cli.end()).status).toBe(143);
  const { out, status } = await follow.end();
  const told = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { state: string; settled: number });
  expect(told[0]).toMatchObject({ state: 'running', settled: 7, inFlight: 1 });
  expect(told.at(-1)).toMatchObject({ state: 'interrupted', settled: 7 });
  expect(status).toBe(0);
});
