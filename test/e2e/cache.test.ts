import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { Cli } from './exec-cli.ts';

/** Notes each thread that the process starts. */
const NOTE_THREADS = `data:text/javascript,${encodeURIComponent(
  "import { appendFileSync } from 'node:fs'; process.on('worker', () => appendFileSync(process.env.THREADS, 't'));",
)}`;

let sshd: Sshd;
let login: string[];
let dir: string;
const HOSTS = '127.9.1.[1-3]';

beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.9.1.1', '127.9.1.2', '127.9.1.3'] });
  const { user, port } = sshd;
  dir = mkdtempSync(join(tmpdir(), 'keylane-cache-'));
  // They outlive the server, whose own go with it.
  const [identity, knownHosts] = [join(dir, 'id'), join(dir, 'known_hosts')];
  copyFileSync(sshd.identity, identity);
  copyFileSync(sshd.knownHosts, knownHosts);
  login = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
});
afterAll(async () => {
  await sshd?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs the command line, and tells how many threads it started. */
async function keylane(...args: string[]) {
  const noted = join(dir, 'threads');
  writeFileSync(noted, '');
  const env = { NODE_OPTIONS: `--import ${NOTE_THREADS}`, THREADS: noted };
  const ran = await new Cli(args, env).end();
  return { ...ran, threads: readFileSync(noted, 'utf8').length };
}

function records(out: string): Record<string, unknown>[] {
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('C23: a second run answers from disk: no connection, for there is no server any more, and no thread', async () => {
  const data = ['--data-dir', join(dir, 'data')];
  const asks = (...more: string[]) => ['exec', ...login, ...data, ...more, HOSTS, '--', 'echo out; echo err >&2'];
  const first = await keylane(...asks('--cache', '5m', '--format', 'ndjson'));
  expect(first.status).toBe(0);
  expect(first.threads).toBeGreaterThan(0);
  expect(records(first.out).map(({ cache, attempts }) => [cache, attempts])).toEqual(new Array(3).fill(['miss', 1]));
  const plain = await keylane(...asks('--ordered', '-q'));

  await sshd.stop();
  const second = await keylane(...asks('--cache', '5m', '--format', 'ndjson'));
  expect({ status: second.status, threads: second.threads }).toEqual({ status: 0, threads: 0 });
  for (const record of records(second.out)) {
    expect(record).toMatchObject({ outcome: 'ok', cache: 'hit', cached: { level: 'disk' }, attempts: 0, shard: -1 });
    expect(record.response).toMatchObject({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  }
  // As text it is what it is without a cache.
  const text = await keylane(...asks('--cache', '5m', '--ordered', '-q'));
  expect({ status: text.status, out: text.out, err: text.err }).toEqual({
    ...{ status: 0, out: plain.out, err: plain.err },
  });

  // What is remembered can be looked at, and is this user's alone.
  const listed = await keylane('cache', 'list', ...data, '--format', 'ndjson');
  const keys = records(listed.out).map(({ key }) => key);
  expect([listed.threads, keys.sort()]).toEqual([0, [1, 2, 3].map((i) => `127.9.1.${i}:${sshd.port}`)]);
  expect((await keylane('cache', 'stats', ...data)).out).toMatch(/^3 answers, /);
  const files = readdirSync(join(dir, 'data', 'cache'), { recursive: true }).map((name) => String(name));
  expect(files.length).toBeGreaterThan(0);
  for (const name of ['', ...files]) expect(statSync(join(dir, 'data', 'cache', name)).mode & 0o077).toBe(0);

  // C28: what is cleared must be asked for again, and there is nobody to ask.
  const cleared = await keylane('cache', 'clear', ...data, `key:127.9.1.2:${sshd.port}`);
  expect(cleared).toMatchObject({ status: 0, threads: 0 });
  const third = await keylane(...asks('--cache', '5m', '--format', 'ndjson', '--attempts', '1'));
  const outcomes = Object.fromEntries(records(third.out).map(({ host, outcome }) => [host, outcome]));
  expect(outcomes).toEqual({ '127.9.1.1': 'ok', '127.9.1.2': 'not_started', '127.9.1.3': 'ok' });
  await keylane('cache', 'clear', ...data);
  expect((await keylane('cache', 'stats', ...data)).out).toBe('0 answers, 0 B\n');
}, 60_000);

test('C24: --fresh asks the host, and what failed is not remembered', async () => {
  const server = await startSshd({ addresses: ['127.9.1.4'] });
  try {
    const { user, port, identity, knownHosts } = server;
    const how = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
    const data = ['--data-dir', join(dir, 'fresh')];
    const ask = async (command: string, ...more: string[]) => {
      const { out } = await keylane('exec', ...how, ...data, '--format', 'ndjson', ...more, '127.9.1.4', '--', command);
      return records(out)[0]!.cache;
    };
    const caches: unknown[] = [];
    for (const more of [[], [], ['--fresh'], []]) caches.push(await ask('date +%N', '--cache', '1h', ...more));
    expect(caches).toEqual(['miss', 'hit', 'miss', 'hit']);
    expect([await ask('exit 3', '--cache', '1h'), await ask('exit 3', '--cache', '1h')]).toEqual(['miss', 'miss']);
    const warmed = await keylane('cache', 'warm', ...how, ...data, '127.9.1.4', '--', 'uptime');
    expect({ status: warmed.status, out: warmed.out }).toEqual({ status: 0, out: '' });
    expect(await ask('uptime', '--cache', '5m')).toBe('hit');
  } finally {
    await server.stop();
  }
}, 60_000);

test('C31: a data directory that cannot be used costs a warning, not a request', async () => {
  const server = await startSshd({ addresses: ['127.9.1.5'] });
  try {
    const { user, port, identity, knownHosts } = server;
    const how = ['-F', 'none', '-l', user, '-p', String(port), '-i', identity, '--known-hosts', knownHosts];
    const broken = join(dir, 'broken');
    writeFileSync(broken, 'a file');
    const two = ['127.9.1.5', `${user}@127.9.1.5`];
    const data = ['--data-dir', broken];
    const ran = await keylane('exec', ...how, ...data, '--cache', '5m', '-q', '--no-prefix', ...two, '--', 'echo well');
    expect({ status: ran.status, out: ran.out }).toEqual({ status: 0, out: 'well\nwell\n' });
    expect(ran.err.match(/cache_failed/g)).toHaveLength(1);
    expect(ran.err).toContain(broken);
    const listed = await keylane('cache', 'list', ...data);
    expect(listed.status).toBe(0);
  } finally {
    await server.stop();
  }
}, 60_000);
