import { execFileSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { until } from '../support/until.ts';
import { BatchFolder, linesOf } from './batch-cli.ts';
import { Cli, loginFlags } from './exec-cli.ts';

const HOSTS = ['127.6.7.1', '127.6.7.2', '127.6.7.3'];
let sshd: Sshd;

beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
});
afterAll(async () => {
  await sshd?.stop();
});

test('a template runs a command for each row of a CSV file, its columns quoted', async () => {
  const folder = new BatchFolder();
  const nasty = [`it's $HOME`, '"; touch /tmp/never; "', '`id` \\ %s {x}', 'plain'];
  const rows = nasty.map((text, at) => `${HOSTS[at % 3]},row ${at},"${text.replaceAll('"', '""')}"`);
  writeFileSync(folder.path('rows.csv'), `host,id,text\n${rows.join('\n')}\n`);
  const template = `printf '%s|{{}}' {text}`;
  const ran = await folder.run(
    'run',
    folder.path('rows.csv'),
    '--template',
    template,
    ...loginFlags(sshd),
    '--ordered',
    '-q',
  );
  expect(ran).toMatchObject({ status: 0, err: '' });
  const lines = linesOf(ran.out);
  expect(lines.map(({ id, host, response }) => [id, host, response?.stdout])).toEqual(
    nasty.map((text, at) => [`row ${at}`, HOSTS[at % 3], `${text}|{}`]),
  );
});

test('what is known of hosts goes into their requests, and their groups are waves', async () => {
  const folder = new BatchFolder();
  writeFileSync(
    folder.path('hosts.ini'),
    `[late]\nweb-1 ansible_host=${HOSTS[0]}\n[early]\nweb-2 ansible_host=${HOSTS[1]}\nweb-3 ansible_host=${HOSTS[2]}\n`,
  );
  const file = folder.jobs(
    [1, 2, 3].map((at) => ({ id: `on-${at}`, request: { host: `web-${at}`, command: 'printf "\\377"' } })),
  );
  const flags = [
    '--inventory',
    folder.path('hosts.ini'),
    '--wave',
    'early',
    '--limit',
    'early=1',
    ...loginFlags(sshd),
    '-q',
  ];
  const ran = await folder.run('run', file, ...flags);
  expect(ran).toMatchObject({ status: 0, err: '' });
  const lines = linesOf(ran.out);
  expect(lines.map(({ id }) => id).at(-1)).toBe('on-1');
  for (const { response } of lines) expect(response?.stdout).toEqual({ base64: '/w==' });
});

test('resume needs no flags, from whatever folder, and a failed host is named with its reason', async () => {
  const folder = new BatchFolder();
  const gate = join(sshd.dir, 'gate');
  execFileSync('mkfifo', ['-m', '666', gate]);
  const held = openSync(gate, 'r+');
  try {
    copyFileSync(sshd.identity, folder.path('id'));
    copyFileSync(sshd.knownHosts, folder.path('known'));
    const command = (at: number) => (at === 1 ? `read line < ${gate}` : 'exit 7');
    folder.jobs(
      HOSTS.map((host, at) => ({ request: { host, command: command(at) } })),
      'jobs',
    );
    const login = ['-F', 'none', '-l', sshd.user, '-p', String(sshd.port), '-i', 'id', '--known-hosts', 'known'];
    const words = ['batch', 'run', 'jobs', ...login, '-c', '1', '--id', 'b', '--data-dir', 'data', '--out', 'out'];
    const cli = new Cli(words, {}, folder.dir);
    await cli.until('err', 'batch b, 3 requests');
    await until(() => readFileSync(folder.path('out'), 'utf8').includes('\n'));
    cli.child.kill('SIGINT');
    await cli.until('err', 'waiting for 1 request');
    writeSync(held, 'go\n');
    const first = await cli.end();
    expect(first.status).toBe(130);
    const [, resume] = /to go on: keylane (batch resume b --data-dir .*)\n/.exec(first.err) ?? [];
    expect(resume).toBe(`batch resume b --data-dir ${folder.data}`);
    const ran = await new Cli(resume!.split(' '), {}, '/').end();
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('exit 7: 127.6.7.[1,3]');
    expect(folder.lines('out').map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
      ['failed', 1],
      ['ok', 1],
      ['failed', 1],
    ]);
  } finally {
    closeSync(held);
  }
}, 60_000);
