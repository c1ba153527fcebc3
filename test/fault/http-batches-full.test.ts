import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAIN } from '../e2e/exec-cli.ts';
import { until } from '../support/engine.ts';
import { type Answered, answered, echoLines, NDJSON } from '../support/http-batches.ts';

/** A service whose data directory is a disk of 8 MB, seen from outside by its process. */
const ON_SMALL_DISK = `
  mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" &&
  exec "$2" "$3" serve --config none --no-restart --listen 127.0.0.1:0 --shards 1 --data-dir "$1"`;
const mayMount = spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0;

const dir = mkdtempSync(join(tmpdir(), 'keylane-small-disk-'));
let child: ChildProcess;
let url = '';
let log = '';

beforeAll(async () => {
  if (!mayMount) return;
  child = spawn('unshare', ['-m', 'sh', '-c', ON_SMALL_DISK, 'sh', dir, process.execPath, MAIN], {
    env: { ...process.env, KEYLANE_CONFIG: 'none' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  url = /http:\S+/.exec(line)?.[0] ?? '';
});
afterAll(async () => {
  if (child && child.exitCode === null) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  rmSync(dir, { recursive: true, force: true });
});

const inside = (...names: string[]) => join(`/proc/${child.pid}/root`, dir, ...names);
const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
  answered(
    await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${readFileSync(inside('serve.token'), 'utf8').trim()}`, ...headers },
      ...(body !== undefined && { body }),
    }),
  );
const submit = (key: string, body: string): Promise<Answered> =>
  call('POST', '/v1/batches?concurrency=10', body, { 'content-type': NDJSON, 'idempotency-key': key });
const run = async () => {
  const body = JSON.stringify({ driver: 'echo', request: { key: 'a', payload: 'still' } });
  return (await call('POST', '/v1/run', body, { 'content-type': 'application/json' })).status;
};
const large = (count: number) => echoLines(count, () => ({ payload: 'x'.repeat(20_000) }));

test.runIf(mayMount)(
  'a body that fills the disk is refused with 503, nothing of it stays, and the service serves on (R6)',
  async () => {
    const { status, body } = await submit('too large', large(500));
    expect([status, body.code]).toEqual([503, 'ERR_STORE_FULL']);
    // Where it lies is nobody's business but the log's.
    expect(body.detail).not.toContain(dir);
    expect(log).toContain('ENOSPC');
    expect(readdirSync(inside('batches'))).toEqual([]);
    expect(await run()).toBe(200);
    const { status: made, body: batch } = await submit('too large', large(3));
    expect(made).toBe(201);
    await until(async () => (await call('GET', `/v1/batches/${batch.id}`)).body.state === 'done');
  },
);

test.runIf(mayMount)(
  'a disk that becomes full in the midst of a batch interrupts it; it goes on when there is room, and nothing is lost',
  async () => {
    const count = 150;
    // The results will need as much again as the input.
    const { status, body } = await submit(
      'becomes full',
      large(count).replaceAll('"payload"', '"delayMs":200,"payload"'),
    );
    expect(status).toBe(201);
    const filler = inside('filler');
    for (let bytes = 4_000_000; bytes > 10_000; ) {
      try {
        writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' });
      } catch {
        bytes /= 2;
      }
    }
    const look = () => call('GET', `/v1/batches/${body.id}`);
    // On a disk without a byte left not even that can be looked up.
    await until(async () => {
      const { status: is, body: now } = await look();
      return is === 503 ? now.code === 'ERR_STORE_FULL' && !now.detail.includes(dir) : now.state === 'interrupted';
    });
    expect(await run()).toBe(200);
    expect((await submit('another', echoLines(1))).status).toBe(503);
    rmSync(filler);
    await until(async () => {
      const now = await look();
      if (now.body.state === 'interrupted') await call('POST', `/v1/batches/${body.id}/resume`);
      return now.body.state === 'done';
    });
    const { counts, settled } = (await look()).body;
    expect(settled).toBe(count);
    // What was in flight when it became full may have run.
    expect((counts.ok ?? 0) + (counts.unknown ?? 0)).toBe(count);
    expect(counts.ok).toBeGreaterThan(count / 2);
  },
);
