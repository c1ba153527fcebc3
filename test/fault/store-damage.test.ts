import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { runProgram } from '../support/programs/run.ts';
import { seeded } from '../support/seed.ts';

const PAGE = 4_096;
const FILLED = 40;
/** A fifth is taken out again. */
const VALUES = 32;
const LONG = Boolean(process.env.KEYLANE_LONG);
vi.setConfig({ testTimeout: LONG ? 600_000 : 60_000 });

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-damage-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

interface Seen {
  found?: number;
  wrong?: number;
  code?: string;
  message?: string;
}

/** What a process says that opens the store, reads it and writes to it. Rejects if the process crashes. */
async function used(dir: string, kind: 'durable' | 'disposable' = 'durable', ...more: string[]): Promise<Seen> {
  const { stdout } = await runProgram('store-opener', [dir, kind, ...more]);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Seen | string);
  return Object.assign({}, ...lines.filter((line) => typeof line === 'object'));
}

/** A store that was filled and closed. */
async function filled(kind: 'durable' | 'disposable' = 'durable'): Promise<string> {
  const dir = join(temporary(), 'store');
  expect(await used(dir, kind, 'fill', String(FILLED))).toEqual({ found: VALUES, wrong: 0 });
  return dir;
}

/** Another store with the same files, its data changed. */
function damaged(dir: string, name: string, damage: (data: Buffer) => Buffer | undefined): string {
  const copy = `${dir}.${name}`;
  mkdirSync(copy, { mode: 0o700 });
  for (const file of ['lock.mdb', 'closed'])
    if (existsSync(join(dir, file))) copyFileSync(join(dir, file), join(copy, file));
  const data = readFileSync(join(dir, 'data.mdb'));
  writeFileSync(join(copy, 'data.mdb'), damage(data) ?? data, { mode: 0o600 });
  return copy;
}

/** Nothing lost, nothing wrong; or an error that says what to do. */
function expectWholeOrRefused(seen: Seen, dir: string): void {
  if (seen.code === undefined) {
    expect(seen).toEqual({ found: VALUES, wrong: 0 });
  } else {
    expect(seen, seen.message).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
    expect(seen.message).toContain(dir);
    expect(seen.message).toContain('move the directory away');
  }
}

async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

describe('a store whose data file', () => {
  test('has a page of zeros crashes nobody and hands out nothing wrong, whichever page it is', async () => {
    const dir = await filled();
    const pages = statSync(join(dir, 'data.mdb')).size / PAGE;
    const random = seeded();
    const all = Array.from({ length: pages }, (_, page) => page);
    const some = all.filter((page) => page < 2 || page === pages - 1 || random.below(pages) < 12);
    let refused = 0;
    await inPairs(LONG ? all : some, async (page) => {
      const copy = damaged(dir, `page-${page}`, (data) => data.fill(0, page * PAGE, (page + 1) * PAGE));
      const seen = await used(copy);
      expectWholeOrRefused(seen, copy);
      if (seen.code) refused++;
    });
    // Both heads at least.
    expect(refused).toBeGreaterThanOrEqual(2);
  });

  test('was cut off anywhere crashes nobody and hands out nothing wrong', async () => {
    const dir = await filled();
    const { size } = statSync(join(dir, 'data.mdb'));
    const random = seeded();
    const cuts = [0, 1, 100, PAGE, 2 * PAGE, size - PAGE, size - 1];
    for (let i = 0; i < (LONG ? 50 : 4); i++) cuts.push(random.below(size));
    await inPairs(cuts, async (cut) => {
      const copy = damaged(dir, `cut-${cut}`, (data) => data.subarray(0, cut));
      const seen = await used(copy);
      expectWholeOrRefused(seen, copy);
      if (cut <= 2 * PAGE) expect([cut, seen.code]).toEqual([cut, 'ERR_STORE_CORRUPT']);
    });
  });

  test('has other bytes in it crashes nobody and hands out nothing wrong', async () => {
    const dir = await filled();
    const random = seeded();
    const times = Array.from({ length: LONG ? 300 : 8 }, (_, i) => i);
    await inPairs(times, async (i) => {
      const copy = damaged(dir, `bytes-${i}`, (data) => {
        const from = i === 0 ? 0 : random.below(data.length);
        const length = 1 + random.below(600);
        for (let at = from; at < Math.min(from + length, data.length); at++) data[at] = random.below(256);
        return data;
      });
      expectWholeOrRefused(await used(copy), copy);
    });
  });

  test('is of another version of LMDB is refused', async () => {
    const copy = damaged(await filled(), 'version', (data) => {
      for (const page of [0, PAGE]) data.writeUInt32LE(99, page + 28);
      return data;
    });
    expect(await used(copy)).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
  });

  test('was touched is walked, and noted as whole for the next', async () => {
    const dir = await filled();
    const before = readFileSync(join(dir, 'closed'), 'utf8');
    const { atime, mtime } = statSync(join(dir, 'data.mdb'));
    utimesSync(join(dir, 'data.mdb'), atime, new Date(mtime.getTime() + 5_000));
    expect(await used(dir)).toEqual({ found: VALUES, wrong: 0 });
    expect(readFileSync(join(dir, 'closed'), 'utf8')).not.toBe(before);
  });

  test('has a damaged value is told of when that is read, if it does not show from outside', async () => {
    const dir = await filled();
    const file = join(dir, 'data.mdb');
    const data = readFileSync(file);
    data[data.lastIndexOf(Buffer.alloc(400, 'k3')) + 7] = 0;
    writeFileSync(file, data);
    const { mtimeNs, size } = statSync(file, { bigint: true });
    const left = JSON.parse(readFileSync(join(dir, 'closed'), 'utf8')) as object;
    writeFileSync(join(dir, 'closed'), JSON.stringify({ ...left, size: Number(size), changed: String(mtimeNs) }));
    expect(await used(dir)).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
  });
});

describe('a store whose process was killed while it wrote', () => {
  test('is opened again with nothing wrong in it', async () => {
    const rounds = LONG ? 20 : 2;
    for (const kind of ['durable', 'disposable'] as const) {
      const dir = join(temporary(), 'store');
      for (let round = 0; round < rounds; round++) {
        await killedWhileWriting(dir, kind);
        const seen = await used(dir, kind);
        expect(seen.code).toBeUndefined();
        expect(seen.found).toBeGreaterThan(100);
        expect(seen.wrong).toBe(0);
      }
    }
  });

  test('is refused if its file was cut off meanwhile', async () => {
    const dir = join(temporary(), 'store');
    await killedWhileWriting(dir, 'durable');
    truncateSync(join(dir, 'data.mdb'), 3 * PAGE);
    expect(await used(dir)).toMatchObject({ code: 'ERR_STORE_CORRUPT' });
  });
});

describe('a store that is not this user’s', () => {
  const root = process.geteuid?.() === 0;

  test.runIf(root)('is refused with whose it is', async () => {
    const dir = await filled();
    chownSync(dir, 65_534, 65_534);
    const seen = await used(dir);
    expect(seen.code).toBe('ERR_CONFIG');
    expect(seen.message).toContain(`${dir} belongs to user 65534`);
    chownSync(dir, 0, 0);
    chownSync(join(dir, 'data.mdb'), 65_534, 65_534);
    expect(await used(dir)).toMatchObject({ code: 'ERR_CONFIG', message: expect.stringContaining('chown') });
  });

  test.runIf(root)('is refused where this user may not write', async () => {
    const home = temporary();
    const store = join(home, 'store');
    mkdirSync(store);
    chownSync(store, 65_534, 65_534);
    chmodSync(store, 0o500);
    chmodSync(home, 0o755);
    for (const dir of [store, join(home, 'other')]) {
      const { code, message } = await usedAsNobody(dir);
      expect(code).toBe('ERR_CONFIG');
      expect(message).toContain(dir);
      expect(message).toContain('dataDir');
    }
  });

  test('is refused where the home is read-only', async () => {
    // Root may write anywhere but here.
    const seen = await used('/sys/keylane/store');
    expect(seen.code).toBe('ERR_CONFIG');
    expect(seen.message).toContain('/sys/keylane/store');
    expect(seen.message).toContain('dataDir');
  });
});

async function usedAsNobody(dir: string): Promise<Seen> {
  const program = fileURLToPath(new URL('../support/programs/store-opener.mjs', import.meta.url));
  const args = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, program, dir, 'durable'];
  const { stdout } = await promisify(execFile)('setpriv', args);
  return JSON.parse(stdout) as Seen;
}

/** Resolves when it is dead, in the midst of its writes. */
async function killedWhileWriting(dir: string, kind: string): Promise<void> {
  const program = fileURLToPath(new URL('../support/programs/store-opener.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, dir, kind, 'write'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === '"writing"') break;
  }
  child.kill('SIGKILL');
  await ended;
}
