import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAIN, run } from './exec-cli.ts';
import { Desk, type Ran, recipe, Servers } from './recipes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let servers: Servers;
let desk: Desk;
let service: ChildProcess;
let url = '';
beforeAll(async () => {
  servers = await Servers.start(['web-1', 'web-2', 'web-3'], 207);
  desk = new Desk(servers.sshConfig);
  const { XDG_DATA_HOME: _, XDG_CONFIG_HOME: __, ...env } = process.env;
  service = spawn(process.execPath, [MAIN, 'serve', '--listen', '127.0.0.1:0', '--shards', '1', '--no-restart'], {
    cwd: desk.dir,
    env: { ...env, HOME: join(desk.dir, 'home'), KEYLANE_CONFIG: 'none' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(service.stdout!.setEncoding('utf8'), 'data')) as [string];
  url = /http:\S+/.exec(line)![0];
});
afterAll(async () => {
  service?.kill('SIGTERM');
  if (service && service.exitCode === null) await once(service, 'exit');
  await servers?.stop();
  desk?.clear();
});

/** The scripts of a section as they stand there, but for the port. */
async function runs(title: string): Promise<Ran[]> {
  const all: Ran[] = [];
  for (const script of recipe(title, 'service.md').scripts) {
    const ran = await desk.run(script.replaceAll('http://127.0.0.1:7473', url));
    expect([ran.err, ran.status]).toEqual(['', 0]);
    all.push(ran);
  }
  return all;
}

const lines = ({ out }: Ran) =>
  out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('one request is answered with what the host said', async () => {
  const [ran] = await runs('One request');
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8');
  expect(JSON.parse(ran!.out)).toMatchObject({ outcome: 'failed', response: { code: 3, stdout: kernel } });
});

test('live output comes as lines, and input goes the other way', async () => {
  const [out, both] = await runs('Live output');
  const told = lines(out!);
  expect(
    told
      .filter(({ channel }) => channel === 'stdout')
      .map(({ data }) => data)
      .join(''),
  ).toBe('1\n2\n3\n');
  expect(told.at(-1)).toMatchObject({ outcome: 'ok' });
  expect(lines(both!)[0]).toMatchObject({ channel: 'stdout', data: '10\n' });
});

test('a batch is made, followed to its end, and shown', async () => {
  const [ran] = await runs('A batch');
  expect(JSON.parse(ran!.out)).toMatchObject({ state: 'done', counts: { ok: 3 } });
  expect(
    desk
      .results('results.ndjson')
      .map(({ id }) => id)
      .sort(),
  ).toEqual(['web-1', 'web-2', 'web-3']);
});

test('how the service is can be asked', async () => {
  const [ran] = await runs('How it is');
  expect(ran!.out).toMatch(/^ok\n\{.*"engine":/);
  expect(ran!.out).toContain('# TYPE ');
});

test.each([
  ['docs/keylane.service', /^ExecStart=\S+ keylane serve (.*)$/m, /\s+/],
  ['Dockerfile', /^CMD \["serve", (.*)\]$/m, /,\s*/],
] as const)('the flags in %s are flags of the command', async (file, line, between) => {
  const [, words] = line.exec(readFileSync(join(ROOT, file), 'utf8')) ?? [];
  const flags = words!.split(between).map((word) => word.replace(/^"|"$/g, ''));
  const here = ['--listen', '127.0.0.1:0', '--data-dir', desk.dir, '--known-hosts', join(desk.dir, 'home/.ssh/config')];
  const { status, out, err } = await run(['serve', ...flags, ...here, '-F', 'none', '--check']);
  expect([err, status]).toEqual(['', 0]);
  expect(out).not.toContain('problem');
});
