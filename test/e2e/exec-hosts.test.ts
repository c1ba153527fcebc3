import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { loginFlags, run } from './exec-cli.ts';

const HOSTS = ['127.6.0.1', '127.6.0.2', '127.6.0.3'];
let sshd: Sshd;
let dir: string;
let login: string[];

beforeAll(async () => {
  sshd = await startSshd({ addresses: HOSTS });
  dir = mkdtempSync(join(tmpdir(), 'keylane-exec-'));
  login = loginFlags(sshd);
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const exec = (args: readonly string[], input?: string | Uint8Array) => run(['exec', ...login, ...args], input);

describe('keylane exec against real sshd', () => {
  it('prints each line beside the host that it was run on, stderr apart, and a summary', async () => {
    const command = 'echo one; set -- $SSH_CONNECTION; echo $3; echo oops >&2';
    const { status, out, err } = await exec(['127.6.0.[1-3]', '--', command]);
    const lines = HOSTS.flatMap((host) => [`${host}: one`, `${host}: ${host}`]);
    expect(out.split('\n').sort()).toEqual(['', ...lines].sort());
    for (const host of HOSTS) expect(err).toContain(`${host}: oops\n`);
    expect(err).toMatch(/3 hosts in .*: 3 ok\nslowest: /);
    expect(status).toBe(0);
  });

  it('folds equal outputs with -b', async () => {
    const command = 'case $SSH_CONNECTION in *127.6.0.2*) echo other;; *) echo same;; esac';
    const { out } = await exec(['-q', '-b', '127.6.0.[1-3]', '--', command]);
    const rule = '-'.repeat(15);
    expect(out).toBe(`${rule}\n127.6.0.[1,3] (2)\n${rule}\nsame\n${rule}\n127.6.0.2\n${rule}\nother\n`);
  });

  it.each([
    ['one fails', ['127.6.0.[1-2]'], 'case $SSH_CONNECTION in *127.6.0.2*) exit 7;; esac', 1],
    [
      'one fails, with --max-rc',
      ['--max-rc', '127.6.0.[1-2]'],
      'case $SSH_CONNECTION in *127.6.0.2*) exit 7;; esac',
      7,
    ],
    ['a signal ends it, with --max-rc', ['--max-rc', '127.6.0.1'], 'kill -KILL $$', 137],
    ['one is never reached', ['--attempts', '1', '127.6.0.1,127.6.0.9'], 'true', 3],
    ['one is never reached and one fails', ['--attempts', '1', '--max-rc', '127.6.0.1,127.6.0.9'], 'exit 7', 3],
    ['the host key is unknown', ['--known-hosts', '/dev/null', '127.6.0.1'], 'true', 3],
    ['a key is not there', ['-i', '/nonexistent', '127.6.0.1'], 'true', 2],
  ])('has an exit status when %s', async (_, args, command, status) => {
    expect(await exec([...args, '--', command])).toMatchObject({ status });
  });

  it('calls a command that ran out of time what it is, and names the host', async () => {
    const { status, err } = await exec(['--timeout', '1s', '127.6.0.2', '--', 'exec sleep 1000']);
    expect(status).toBe(3);
    expect(err).toContain('0 ok');
    expect(err).toMatch(/ERR_TIMEOUT.*127\.6\.0\.2/);
  });

  it('writes one record a host with --format ndjson, and nothing else anywhere', async () => {
    const { out, err } = await exec([
      '--format',
      'ndjson',
      '--ordered',
      '127.6.0.[1-2]',
      '--',
      "printf '\\377'; exit 3",
    ]);
    const records = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ index, id, key, outcome }) => ({ index, id, key, outcome }))).toEqual([
      { index: 0, id: '127.6.0.1', key: `127.6.0.1:${sshd.port}`, outcome: 'failed' },
      { index: 1, id: '127.6.0.2', key: `127.6.0.2:${sshd.port}`, outcome: 'failed' },
    ]);
    expect(records[0].response).toEqual({
      code: 3,
      signal: null,
      stdout: { base64: '/w==' },
      stderr: '',
      truncated: false,
    });
    expect(Object.keys(records[0])).toEqual([
      'index',
      'id',
      'host',
      'key',
      'outcome',
      'response',
      'attempts',
      'shard',
      'reused',
      'cache',
      'timing',
      'history',
    ]);
    expect(err).toBe('');
  });

  it('writes a file for each host and channel with --out-dir', async () => {
    const into = join(dir, 'results');
    await exec(['-q', '--out-dir', into, '127.6.0.[1-2]', '--', 'echo out; echo err >&2']);
    expect(readdirSync(into).sort()).toEqual(['127.6.0.1.err', '127.6.0.1.out', '127.6.0.2.err', '127.6.0.2.out']);
    expect(readFileSync(join(into, '127.6.0.2.out'), 'utf8')).toBe('out\n');
    expect(readFileSync(join(into, '127.6.0.2.err'), 'utf8')).toBe('err\n');
  });

  it('passes words exactly with --argv, joined without, and through a shell with --shell', async () => {
    const words = ['a  b', '$HOME', "it's", '"q"', '*', ''];
    const exact = await exec(['-q', '--no-prefix', '--argv', '127.6.0.1', '--', 'printf', '<%s>\\n', ...words]);
    expect(exact.out).toBe(words.map((word) => `<${word}>\n`).join(''));
    expect((await exec(['-q', '--no-prefix', '127.6.0.1', '--', 'echo', 'a  b', '$((1+1))'])).out).toBe('a b 2\n');
    expect(
      (await exec(['-q', '--no-prefix', '--shell', 'bash', '127.6.0.1', '--', '[[ a == a ]] && echo', 'bash'])).out,
    ).toBe('bash\n');
  });

  it('gives the same input to every host, from a file and from our own stdin', async () => {
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 256));
    writeFileSync(join(dir, 'input'), input);
    for (const [file, stdin] of [
      [join(dir, 'input'), undefined],
      ['-', input],
    ] as const) {
      const { out } = await exec(['-q', '-b', '--stdin', file, '127.6.0.[1-3]', '--', 'cksum; wc -c'], stdin);
      expect(out).toContain('127.6.0.[1-3] (3)');
      expect(out).toContain('300000');
    }
  });

  it('lets bad hosts of a list cost their own lines only', async () => {
    const list = join(dir, 'hosts');
    writeFileSync(list, '# fleet\n127.6.0.1\nbad[host\n-oProxyCommand=touch\n127.6.0.2 # two\n');
    const { status, out, err } = await exec(['-H', list, '-', '--', 'echo here'], '127.6.0.3\nin valid!\n');
    expect(out.split('\n').sort()).toEqual(['', ...HOSTS.map((host) => `${host}: here`)]);
    expect(err).toContain('3 ok, 3 not started');
    for (const bad of ['bad[host', '-oProxyCommand=touch', 'in valid!']) expect(err).toContain(bad);
    expect(status).toBe(3);
  });

  it('cuts output at --max-output and says so', async () => {
    const { out, err } = await exec(['--format', 'json', '--max-output', '1k', '127.6.0.1', '--', 'seq 10000']);
    expect(JSON.parse(out)[0].response).toMatchObject({ truncated: true });
    expect(JSON.parse(out)[0].response.stdout).toHaveLength(1024);
    expect(err).toBe('');
    const text = await exec(['-b', '--max-output', '1k', '127.6.0.1', '--', 'seq 10000']);
    expect(text.err).toContain('output cut at --max-output: 127.6.0.1');
  });
});
