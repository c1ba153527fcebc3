import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SshRequest } from 'keylane';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { startProxy } from '../support/proxy.js';
import { loginTo, sessionsEnded } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

let sshd: Sshd;
let here: string;
/** A folder that the account may write to. */
let there: string;

beforeAll(async () => {
  sshd = await startSshd({ addresses: Array.from({ length: 10 }, (_, i) => `127.0.0.${i + 1}`) });
});
afterAll(() => sshd.stop());
beforeEach(async () => {
  here = mkdtempSync(join(sshd.dir, 'here-'));
  const engine = await startEngine();
  const { stdout } = await engine.run('ssh', loginTo(sshd, { command: 'mktemp -d' }));
  there = String(stdout).trim();
});

const at = (other: Partial<SshRequest>) => loginTo(sshd, other);
const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function source(bytes: Buffer | number, mode = 0o640): string {
  const path = join(here, 'source.bin');
  writeFileSync(path, typeof bytes === 'number' ? randomBytes(bytes) : bytes, { mode });
  utimesSync(path, 1_600_000_000, 1_600_000_000);
  return path;
}

test.each([0, 1, 32_767, 32_768, 32_769, 131_072, 5_000_000])(
  '%i bytes go there and come back unharmed',
  async (size) => {
    const engine = await startEngine();
    const local = source(size);
    const remote = `${there}/copied`;
    expect(await engine.run('ssh', at({ op: 'put', local, remote }))).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
      truncated: false,
      bytes: size,
    });
    const back = join(here, 'back');
    expect(await engine.run('ssh', at({ op: 'get', remote, local: back }))).toMatchObject({ code: 0, bytes: size });
    expect(sha(readFileSync(back))).toBe(sha(readFileSync(local)));
    for (const copy of [remote, back]) {
      const { mode, mtimeMs } = statSync(copy);
      expect([mode & 0o777, mtimeMs]).toEqual([0o640, 1_600_000_000_000]);
    }
    expect(readdirSync(there)).toEqual(['copied']);
    expect(readdirSync(here).sort()).toEqual(['back', 'source.bin']);
  },
);

test('what was there is replaced in one step, and where a link leads the file is', async () => {
  const engine = await startEngine();
  const local = source(1_000);
  await engine.run('ssh', at({ command: `echo old >${there}/real; ln -s real ${there}/link` }));
  expect(await engine.run('ssh', at({ op: 'put', local, remote: `${there}/link` }))).toMatchObject({ code: 0 });
  expect(readFileSync(join(there, 'real'))).toEqual(readFileSync(local));
  expect(readdirSync(there).sort()).toEqual(['link', 'real']);
});

test('a directory takes the file under its own name, there and here', async () => {
  const engine = await startEngine();
  const local = source(10);
  await engine.run('ssh', at({ op: 'put', local, remote: there }));
  expect(readdirSync(there)).toEqual(['source.bin']);
  mkdirSync(join(here, 'in'));
  await engine.run('ssh', at({ op: 'get', remote: `${there}/source.bin`, local: join(here, 'in') }));
  expect(readdirSync(join(here, 'in'))).toEqual(['source.bin']);
});

test('mode, preserve and parents do as they say', async () => {
  const engine = await startEngine();
  const remote = `${there}/a/b/c`;
  const put = { op: 'put', local: source(10), remote } as const;
  expect(await engine.run('ssh', at(put))).toMatchObject({ code: 1, stderr: expect.stringContaining('No such file') });
  const options = { parents: true, mode: 0o600, preserve: false };
  expect(await engine.run('ssh', at({ ...put, ...options }))).toMatchObject({ code: 0 });
  const { mode, mtimeMs } = statSync(remote);
  expect(mode & 0o777).toBe(0o600);
  expect(mtimeMs).toBeGreaterThan(1_600_000_000_000);
});

test('what the host refuses is its answer, in its words', async () => {
  const engine = await startEngine();
  const local = source(10);
  const outcomes: unknown[] = [];
  const requests = [
    at({ op: 'put', local, remote: '/proc/version/x' }),
    at({ op: 'get', remote: `${there}/nothing`, local: join(here, 'x') }),
    at({ op: 'get', remote: there, local: join(here, 'x') }),
    at({ op: 'put', local, remote: '/etc/keylane-test-denied' }),
  ];
  for await (const { index, outcome, response } of engine.batch('ssh', requests)) {
    outcomes[index] = [outcome, response?.code, response?.stderr];
  }
  expect(outcomes).toEqual([
    ['failed', 1, expect.stringMatching(/^put \/proc\/version\/x: /)],
    ['failed', 1, `get ${there}/nothing: No such file\n`],
    ['failed', 1, `get ${there}: it is a directory; name a file\n`],
    ['failed', 1, 'put /etc/keylane-test-denied: Permission denied\n'],
  ]);
  expect(existsSync(join(here, 'x'))).toBe(false);
});

test('what is wrong here is named before anything is sent', async () => {
  const engine = await startEngine();
  for (const local of [join(here, 'nothing'), here]) {
    const error = await failure(engine.run('ssh', at({ op: 'put', local, remote: `${there}/x` })));
    expect(error).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started' });
    expect(error.message).toContain(local);
  }
  const remote = `${there}/y`;
  await engine.run('ssh', at({ op: 'put', local: source(3), remote }));
  const error = await failure(engine.run('ssh', at({ op: 'get', remote, local: join(here, 'no', 'such') })));
  expect(error).toMatchObject({ code: 'ERR_INPUT' });
  expect(readdirSync(there)).toEqual(['y']);
});

test('from one host to another, through us and without a file here', async () => {
  const engine = await startEngine({ shards: 2 });
  await engine.run('ssh', at({ op: 'put', local: source(3_000_000), remote: `${there}/from` }));
  const from = engine.stream('ssh', at({ op: 'get', remote: `${there}/from`, maxOutputBytes: 0 }));
  const to = engine.stream('ssh', at({ host: '127.0.0.2', op: 'put', remote: `${there}/to` }));
  for await (const { data } of from) await to.write(data);
  await from.response;
  to.end();
  expect(await to.response).toMatchObject({ code: 0, bytes: 3_000_000 });
  expect(sha(readFileSync(`${there}/to`))).toBe(sha(readFileSync(`${there}/from`)));
});

test('a copy that is called off leaves nothing behind', async () => {
  const engine = await startEngine();
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const local = source(20_000_000);
  const controller = new AbortController();
  const request = at({ op: 'put', local, remote: `${there}/x`, port: proxy.port, hostKeys: 'insecure' });
  const putting = failure(engine.run('ssh', request, { signal: controller.signal }));
  await until(() => readdirSync(there).length === 1);
  controller.abort();
  expect(await putting).toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  await until(() => readdirSync(there).length === 0);
});

test('progress is told to who listens', async () => {
  const engine = await startEngine();
  const local = source(5_000_000);
  const told: { bytes: number; total: number }[] = [];
  const onChunk = (_: number, { channel, data }: { channel: string; data: Buffer }) => {
    expect(channel).toBe('message');
    told.push(JSON.parse(data.toString()));
  };
  const batch = engine.batch('ssh', [at({ op: 'put', local, remote: `${there}/x` })], { onChunk });
  for await (const { outcome } of batch) expect(outcome).toBe('ok');
  expect(told[0]).toMatchObject({ total: 5_000_000 });
});

test.each(['put', 'get'] as const)('a %s that was cut goes on where it was', async (op) => {
  const engine = await startEngine();
  const size = 12_000_000;
  const local = source(size);
  const remote = `${there}/x`;
  if (op === 'get') await engine.run('ssh', at({ op: 'put', local, remote }));
  const target = op === 'put' ? there : here;
  const path = op === 'put' ? local : join(here, 'got');
  const cut = { after: 8_000_000, direction: op === 'put' ? 'up' : 'down', by: 'rst' } as const;
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault: { cut } });
  const request = at({ op, local: path, remote, resume: true, port: proxy.port, hostKeys: 'insecure' });
  const error = await failure(engine.run('ssh', request));
  expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST', outcome: 'not_started', retryable: true });
  const left = readdirSync(target).filter((name) => name.endsWith('.keylane'));
  expect(left).toHaveLength(1);
  expect(statSync(join(target, left[0] as string)).size).toBeGreaterThan(4_000_000);
  proxy.fault = {};
  const before = proxy.connections.length;
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0, bytes: size });
  const again = proxy.connections.slice(before).reduce((sum, connection) => sum + connection.count(cut.direction), 0);
  expect(again).toBeLessThan(9_000_000);
  expect(sha(readFileSync(op === 'put' ? remote : path))).toBe(sha(readFileSync(local)));
  expect(readdirSync(target).filter((name) => name.endsWith('.keylane'))).toEqual([]);
});

test('what is left of another version of the source is not gone on with', async () => {
  const engine = await startEngine();
  const local = source(12_000_000);
  const cut = { after: 8_000_000, direction: 'up', by: 'rst' } as const;
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port }, fault: { cut } });
  const remote = `${there}/x`;
  const request = at({ op: 'put', local, remote, resume: true, port: proxy.port, hostKeys: 'insecure' });
  await failure(engine.run('ssh', request));
  truncateSync(local, 11_000_000);
  proxy.fault = {};
  expect(await engine.run('ssh', request)).toMatchObject({ code: 0, bytes: 11_000_000 });
  expect(sha(readFileSync(remote))).toBe(sha(readFileSync(local)));
});

test('one connection carries commands and copies together, within MaxSessions, and every session is given back', async () => {
  await using small = await startSshd({ config: ['MaxSessions 2'] });
  const engine = await startEngine({ limits: { connectionsPerLane: 1 } });
  const local = source(100_000);
  const requests = Array.from({ length: 30 }, (_, i) =>
    loginTo(small, i % 2 ? { command: 'true' } : { op: 'put', local, remote: `${there}/f${i}` }),
  );
  const outcomes: string[] = [];
  for await (const { outcome, error } of engine.batch('ssh', requests)) outcomes.push(error?.message ?? outcome);
  expect(outcomes).toEqual(requests.map(() => 'ok'));
  await engine.close();
  await sessionsEnded(small);
});

test('many hosts at once', async () => {
  const engine = await startEngine({ shards: 2 });
  const local = source(200_000);
  const requests = sshd.addresses.map((host) => at({ host, op: 'put', local, remote: `${there}/${host}` }));
  for await (const { outcome, error } of engine.batch('ssh', requests)) expect(error?.message ?? outcome).toBe('ok');
  expect(readdirSync(there)).toHaveLength(sshd.addresses.length);
});

test('a server without SFTP is told by name', async () => {
  await using bare = await startSshd({ config: ['ForceCommand /bin/false'] });
  const engine = await startEngine();
  const error = await failure(engine.run('ssh', loginTo(bare, { op: 'put', local: source(1), remote: `${there}/x` })));
  expect(error).toMatchObject({ outcome: 'not_started' });
  expect(error.message).toContain('subsystem sftp');
});

/** What a copy may cost, of whatever size the file is. */
const MOST_MIB = 64;

// 128 MiB are enough to see memory that grows with the file; the long run has the size of the promise.
test.each([process.env.KEYLANE_LONG ? 1_024 : 128])(
  `a file of %i MiB costs at most ${MOST_MIB} MiB of memory, there and back`,
  async (size) => {
    const local = join(here, 'large');
    const back = join(here, 'back');
    const remote = `${there}/large`;
    const descriptor = openSync(local, 'w');
    for (let i = 0; i < size; i++) writeSync(descriptor, randomBytes(1 << 20));
    closeSync(descriptor);
    try {
      const program = fileURLToPath(new URL('../support/programs/copy-memory.mjs', import.meta.url));
      const request = JSON.stringify(at({ local, remote, back } as Partial<SshRequest>));
      const { stdout } = await promisify(execFile)(process.execPath, [program, request]);
      const { put, get } = JSON.parse(stdout) as { put: number; get: number };
      const mib = [put, get].map((bytes) => Math.round(bytes / (1 << 20)));
      console.log(`a file of ${size} MiB: put ${mib[0]} MiB, get ${mib[1]} MiB of memory`);
      expect(Math.max(...mib)).toBeLessThanOrEqual(MOST_MIB);
      await promisify(execFile)('cmp', [local, back]);
    } finally {
      for (const path of [local, back, remote]) rmSync(path, { force: true });
    }
  },
  300_000,
);
