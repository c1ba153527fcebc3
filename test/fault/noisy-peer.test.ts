import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { failure, startEngine, until } from '../support/engine.js';
import { descendants } from '../support/process-tree.js';
import { startProxy } from '../support/proxy.js';
import { loginTo } from '../support/ssh-login.js';
import { type Sshd, startSshd } from '../support/sshd.js';

const MIB = 1 << 20;

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ addresses: ['127.0.0.1', '127.0.0.2'] });
});
afterAll(() => sshd.stop());

const other = () => loginTo(sshd, { host: '127.0.0.2', command: 'true' });

test('5 MB on stdout and 5 MB on stderr: 1 MiB of each is kept, and the command ends by itself', async () => {
  const engine = await startEngine();
  const noise = (letter: string) => `head -c 5000000 /dev/zero | tr '\\0' ${letter}`;
  const command = `${noise('o')} & ${noise('e')} >&2; wait; exit 3`;
  const request = loginTo(sshd, { command, maxOutputBytes: MIB });
  const { code, truncated, stdout, stderr } = await engine.run('ssh', request);
  expect({ code, truncated }).toEqual({ code: 3, truncated: true });
  // Not by `toBe`: a difference would print it all.
  expect(stdout === 'o'.repeat(MIB)).toBe(true);
  expect(stderr === 'e'.repeat(MIB)).toBe(true);
});

test('a command that never stops talking ends at its deadline, on the host too, and takes no memory', async () => {
  const engine = await startEngine();
  await engine.run('ssh', other());
  const before = process.memoryUsage.rss();
  const calls = Array.from({ length: 4 }, () =>
    failure(engine.run('ssh', loginTo(sshd, { command: 'exec yes noise' }), { timeoutMs: 2_000 })),
  );
  await engine.run('ssh', other());
  for (const { code, outcome, message } of await Promise.all(calls)) {
    expect({ code, outcome }).toEqual({ code: 'ERR_TIMEOUT', outcome: 'unknown' });
    expect(message).toContain('it was killed by SIGTERM');
  }
  await until(() => remote('yes').length === 0);
  // 4 MiB of answers that nobody gets, twice, and what the garbage collector leaves lying about.
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
});

test('a stream whose reader stops, stops the command; what was sent comes whole when it reads on', async () => {
  const length = 128 * MIB;
  await using proxy = await startProxy({ to: { host: '127.0.0.1', port: sshd.port } });
  const engine = await startEngine();
  await engine.run('ssh', other());
  const before = process.memoryUsage.rss();
  const command = `exec head -c ${length} /dev/zero`;
  const stream = engine.stream('ssh', loginTo(sshd, { command, port: proxy.port, hostKeys: 'insecure' }));
  const hash = createHash('sha256');
  hash.update((await stream.next()).value?.data ?? '');

  // The command is at rest when it has written nothing while 20 commands ran on another host.
  let written = -1;
  for (let still = 0; still < 20; ) {
    await engine.run('ssh', other());
    const [head] = remote('head');
    const now = bytesWritten(head as number);
    still = now === written ? still + 1 : 0;
    written = now;
  }
  expect(written).toBeLessThan(16 * MIB);
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);

  for await (const { data } of stream) hash.update(data);
  expect((await stream.response).code).toBe(0);
  expect(hash.digest('hex')).toBe(zeros(length));
});

test('a reader that leaves a stream for good ends the command', async () => {
  const engine = await startEngine();
  const stream = engine.stream('ssh', loginTo(sshd, { command: 'exec yes' }));
  for await (const { data } of stream) {
    expect(data.length).toBeGreaterThan(0);
    break;
  }
  await expect(stream.response).rejects.toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
  await until(() => remote('yes').length === 0);
  expect((await engine.run('ssh', loginTo(sshd, { command: 'true' }))).code).toBe(0);
});

/** Processes of that name under sshd. */
function remote(name: string): number[] {
  return descendants(sshd.pid).filter((pid) => readOr(`/proc/${pid}/comm`, '').trim() === name);
}

function bytesWritten(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readOr(`/proc/${pid}/io`, ''))?.[1] ?? Number.NaN);
}

/** A process may end while it is looked at. */
function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

function zeros(length: number): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < length; at += MIB) hash.update(piece);
  return hash.digest('hex');
}
