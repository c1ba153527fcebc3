import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { program } from '../support/stdio.ts';
import { Cli } from './exec-cli.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keylane-call-'));
  const server = (more: object, ...words: string[]) => ({
    command: process.execPath,
    args: [program('hostile-jsonrpc.mjs'), ...words],
    ...more,
  });
  const servers = {
    notes: server({ env: { API: 'canary-1', REFERENCE: 'env:CALL_TEST' } }, `marks:${join(dir, 'marks')}`),
    broken: server({}, 'exit'),
  };
  // JSON is YAML too.
  writeFileSync(join(dir, 'keylane.yaml'), JSON.stringify({ stdio: { servers } }));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const keylane = (args: readonly string[], input?: string) => {
  const configured = ['--config', join(dir, 'keylane.yaml'), '--data-dir', join(dir, 'data')];
  const [command = '', ...rest] = args;
  const env = { CALL_TEST: 'referred to', CALL_SECRET: 'canary-2' };
  const own = command === 'batch' || command === 'config' ? [command, rest.shift() as string] : [command];
  return new Cli([...own, ...configured, ...rest], env).end(input);
};

test('a call prints the result of a process that has few of our variables, those of its configuration, and no other', async () => {
  const { status, out, err } = await keylane(['call', 'notes', 'env']);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  const env = JSON.parse(out) as Record<string, string>;
  expect(env).toMatchObject({ API: 'canary-1', REFERENCE: 'referred to' });
  expect(out).not.toContain('canary-2');
  const ours = /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|USER|API|REFERENCE|KEYLANE_\w+)$/;
  expect(Object.keys(env).filter((name) => !ours.test(name))).toEqual([]);
});

test('parameters come on standard input, notifications and errors go to standard error', async () => {
  const params = '{"times":2,"_meta":{"progressToken":"t"}}';
  const followed = await keylane(['call', '--follow', 'notes', 'progress', '-'], params);
  expect(followed).toMatchObject({ status: 0, out: '2\n' });
  expect(
    followed.err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).params.progress),
  ).toEqual([1, 2]);
  const broken = await keylane(['call', 'broken', 'x']);
  expect(broken.status).toBe(3);
  expect(broken.err).toContain('ERR_SPAWN: broken: the process ended with exit code 3; stderr: hostile: cannot find');
});

test('what is remembered starts no process', async () => {
  const marks = () => readFileSync(join(dir, 'marks'), 'utf8').split('\n').length;
  const first = await keylane(['call', '--cache', '5m', 'notes', 'pid']);
  const before = marks();
  expect(await keylane(['call', '--cache', '5m', 'notes', 'pid'])).toEqual(first);
  expect(marks()).toBe(before);
});

test('a batch asks servers', async () => {
  const file = join(dir, 'jobs.ndjson');
  const jobs = [1, 2, 3].map((i) => ({ id: `j${i}`, request: { server: 'notes', method: 'echo', params: { i } } }));
  writeFileSync(file, jobs.map((job) => `${JSON.stringify(job)}\n`).join(''));
  const ran = await keylane(['batch', 'run', '--driver', 'stdio', '--shards', '1', '--no-journal', '-q', file]);
  expect(ran.status).toBe(0);
  const lines = ran.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ id, key, response }) => [id, key, response.result.i]).sort()).toEqual(
    jobs.map(({ id }, i) => [id, 'notes', i + 1]),
  );
});

test('the configuration is shown, without what may be secret', async () => {
  const { status, out } = await keylane(['config', 'show']);
  expect(status).toBe(0);
  expect(out).toContain('stdio.servers.notes.env.REFERENCE');
  expect(out).toContain('env:CALL_TEST');
  expect(out).not.toContain('canary');
});
