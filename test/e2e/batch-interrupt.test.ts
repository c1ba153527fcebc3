import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { BatchFolder, echoes, indexes, linesOf, upTo } from './batch-cli.ts';
import { type Cli, MAIN } from './exec-cli.ts';

/** Requests of which each takes a while: long enough that a signal comes before the end. */
const SLOW = (count: number) => echoes(count, () => ({ delayMs: 250 }));
const FLAGS = ['--driver', 'echo', '-c', '4', '--id', 'b'];

/** What is left is run, and afterwards the file has each result once. */
async function resumed(folder: BatchFolder, count: number, ...flags: string[]): Promise<string> {
  const before = existsSync(folder.path('out')) ? readFileSync(folder.path('out'), 'utf8') : '';
  const ran = await folder.run('resume', 'b', '-c', '100', ...flags);
  expect(ran).toMatchObject({ status: 0, out: '' });
  const lines = folder.lines('out');
  expect(indexes(lines).sort((a, b) => a - b)).toEqual(upTo(count));
  // What was whole is as it was.
  expect(readFileSync(folder.path('out'), 'utf8').startsWith(before.slice(0, before.lastIndexOf('\n') + 1))).toBe(true);
  return ran.err;
}

function begun(folder: BatchFolder, count: number, ...flags: string[]): Cli {
  return folder.start('run', folder.jobs(SLOW(count)), ...FLAGS, '--out', folder.path('out'), ...flags);
}

/** Resolves when the file has so many lines. */
async function written(cli: Cli, path: string, lines: number): Promise<void> {
  await until(() => {
    const count = existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
    if (count < lines && cli.child.exitCode !== null) throw new Error(`it ended before: ${cli.err}`);
    return count >= lines;
  });
}

test('the first Ctrl-C lets finish what is in flight, and says how to go on; resume finishes the rest', async () => {
  const folder = new BatchFolder();
  const cli = begun(folder, 60);
  await written(cli, folder.path('out'), 1);
  cli.child.kill('SIGINT');
  const { status, err } = await cli.end();
  expect(status).toBe(130);
  expect(err).toMatch(/waiting for \d requests? in flight/);
  const [, settled] =
    /interrupted with (\d+) of 60 settled; to go on: keylane batch resume b --data-dir /.exec(err) ?? [];
  expect(Number(settled)).toBeGreaterThan(0);
  expect(folder.lines('out')).toHaveLength(Number(settled));
  expect((await folder.summary('b')).state).toBe('interrupted');
  // What can be gone on with is not retried.
  expect((await folder.run('retry', 'b')).status).toBe(2);
  expect(await resumed(folder, 60)).toContain(`batch b, 60 requests, ${settled} settled before`);
  // There is nothing more to do, and nothing is done twice.
  const again = await folder.run('resume', 'b');
  expect(again).toMatchObject({ status: 0, out: '' });
  expect(again.err).toContain('b has ended: done');
  expect(folder.lines('out')).toHaveLength(60);
}, 60_000);

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const)(
  '%s cuts (Ctrl-C when it comes twice): resumable, with exit status %i',
  async (signal, status) => {
    const folder = new BatchFolder();
    // What hangs, a drain would wait for.
    const jobs = echoes(40, (index) => (index === 1 ? { delayMs: 60_000 } : { delayMs: 250 }));
    const file = folder.jobs(jobs.map((job, index) => (index === 1 ? { ...job, idempotent: true } : job)));
    const cli = folder.start('run', file, ...FLAGS, '--out', folder.path('out'));
    await written(cli, folder.path('out'), 1);
    cli.child.kill(signal);
    if (signal === 'SIGINT') {
      await cli.until('err', 'waiting for');
      cli.child.kill(signal);
    }
    const ended = await cli.end();
    expect(ended.status).toBe(status);
    expect(ended.err).toContain('to go on: keylane batch resume b');
    const shown = JSON.parse((await folder.look('show', 'b', '--json')).out)[0];
    expect(shown).toMatchObject({ state: 'interrupted', outcomes: { ok: folder.lines('out').length, canceled: 0 } });
  },
  60_000,
);

// In the order in which they settle: test/fault/batch-cli-killed.test.ts.
test('after kill -9 an ordered file is cut back to its last whole line, and completed in order', async () => {
  const folder = new BatchFolder();
  const cli = begun(folder, 40, '--ordered', '--idempotent');
  await written(cli, folder.path('out'), 5);
  cli.child.kill('SIGKILL');
  await cli.end();
  // As if the machine had died in the middle of a line.
  truncateSync(folder.path('out'), statSync(folder.path('out')).size - 10);
  await resumed(folder, 40);
  expect(indexes(folder.lines('out'))).toEqual(upTo(40));
}, 60_000);

test('what had begun when the process was killed is unknown, and run again only by retry --unknown', async () => {
  const folder = new BatchFolder();
  const cli = begun(folder, 60);
  await written(cli, folder.path('out'), 1);
  cli.child.kill('SIGKILL');
  await cli.end();
  const ran = await folder.run('resume', 'b', '-c', '100');
  expect(ran.status).toBe(3);
  const unknown = folder.lines('out').filter(({ outcome }) => outcome === 'unknown');
  expect(unknown.length).toBeGreaterThan(0);
  expect(unknown.every(({ error }) => error?.code === 'ERR_INTERRUPTED')).toBe(true);
  expect(ran.err).toContain(`keylane batch retry b --unknown --data-dir ${folder.data}`);
  const none = await folder.run('retry', 'b');
  expect(none).toMatchObject({ status: 0, out: '' });
  expect(none.err).toContain('b has none to run again');
  const retried = await folder.run('retry', 'b', '--unknown', '-q');
  expect(retried.status).toBe(0);
  expect(
    linesOf(retried.out)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(unknown.map(({ id }) => id).sort());
}, 60_000);

test('stdout prints only what is new', async () => {
  const folder = new BatchFolder();
  const cli = folder.start('run', folder.jobs(SLOW(20)), ...FLAGS, '--ordered');
  await cli.until('out', '\n', 2);
  cli.child.kill('SIGINT');
  const first = linesOf((await cli.end()).out);
  const second = linesOf((await folder.run('resume', 'b', '-c', '100')).out);
  expect(indexes([...first, ...second]).sort((a, b) => a - b)).toEqual(upTo(20));
  expect(indexes(second)).toEqual([...indexes(second)].sort((a, b) => a - b));
});

test('a reader that goes away ends it, resumable', async () => {
  const folder = new BatchFolder();
  const cli = folder.start('run', folder.jobs(SLOW(40)), ...FLAGS);
  await cli.until('out', '\n');
  cli.child.stdout?.destroy();
  const { status, err } = await cli.end();
  expect(status).toBe(141);
  expect(err).toContain('to go on: keylane batch resume b');
  expect((await folder.summary('b')).state).toBe('interrupted');
});

test('a terminal that goes away ends it, resumable', async () => {
  const folder = new BatchFolder();
  const words = [
    'batch',
    'run',
    folder.jobs(SLOW(60)),
    ...FLAGS,
    '--data-dir',
    folder.data,
    '--out',
    folder.path('out'),
  ];
  const line = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ');
  const terminal: ChildProcess = spawn('script', ['-qec', `exec ${line}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, KEYLANE_CONFIG: 'none' },
  });
  let shown = '';
  terminal.stdout?.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  while (!shown.includes('in flight')) await once(terminal.stdout!, 'data');
  terminal.kill('SIGKILL');
  await once(terminal, 'close');
  for (;;) {
    const { state } = await folder.summary('b');
    if (state === 'interrupted') break;
    expect(state).toBe('running');
  }
  // What was in flight was cut off.
  await folder.run('resume', 'b', '--idempotent');
  expect(indexes(folder.lines('out')).sort((a, b) => a - b)).toEqual(upTo(60));
}, 60_000);

test('SIGUSR2 pauses, and goes on when it comes again, as SIGCONT does', async () => {
  const folder = new BatchFolder();
  const cli = begun(folder, 12);
  await cli.until('err', 'batch b, 12 requests');
  cli.child.kill('SIGUSR2');
  await cli.until('err', 'paused');
  cli.child.kill('SIGUSR2');
  await cli.until('err', 'going on');
  cli.child.kill('SIGUSR2');
  await cli.until('err', 'paused', 2);
  cli.child.kill('SIGCONT');
  const { status, err } = await cli.end();
  expect(status).toBe(0);
  expect(err.split('going on')).toHaveLength(3);
  expect(folder.lines('out')).toHaveLength(12);
});

test('a disk that is full stops it with a word, and it is gone on with when there is room', async () => {
  const folder = new BatchFolder();
  const file = folder.jobs(echoes(400, () => ({ payload: 'x'.repeat(4_000) })));
  const words = ['batch', 'run', file, ...FLAGS, '--data-dir', folder.data, '--out', '/dev/null'];
  const line = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ');
  const limited = spawn('bash', ['-c', `ulimit -f 600; exec ${line}`], {
    env: { ...process.env, KEYLANE_CONFIG: 'none' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  limited.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [status] = await once(limited, 'close');
  expect(err).toContain('ERR_STORE_FULL');
  expect(err).toContain('keylane batch resume b');
  expect(status).toBe(3);
  const ran = await folder.run('resume', 'b', '--idempotent', '--out', folder.path('out'));
  expect(ran.status).toBe(0);
  expect(indexes(folder.lines('out')).sort((a, b) => a - b)).toEqual(upTo(400));
}, 60_000);
