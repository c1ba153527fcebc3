import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Random, SEED, seeded } from '../support/seed.ts';

const PROGRAM = fileURLToPath(new URL('../support/programs/cache-process.mjs', import.meta.url));
const DRIVER = new URL('../support/drivers/file-peer.mjs', import.meta.url).href;
const LIST = { operation: 'list', tags: ['things'], ttlMs: 600_000 };

interface Answer {
  text: string;
  cache: string;
  level?: string;
}

/** A process of its own with an engine that remembers on disk. */
class Process {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(dataDir: string) {
    this.child = spawn(process.execPath, [PROGRAM, dataDir, DRIVER], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  async ready(): Promise<this> {
    await this.#lines.next();
    return this;
  }

  async tell<T = Answer>(what: unknown): Promise<T> {
    this.child.stdin?.write(`${JSON.stringify(what)}\n`);
    const { value } = await this.#lines.next();
    return JSON.parse(value as string) as T;
  }

  read(path: string, cache: object = { ...LIST, persist: true }): Promise<Answer> {
    return this.tell([{ path }, { cache }]);
  }

  /** Reads until it is answered from disk: what another process has fetched is kept there a moment after it is answered. */
  async hit(path: string): Promise<Answer> {
    for (;;) {
      const read = await this.read(path);
      if (read.cache === 'hit') return read;
    }
  }

  write(path: string, text: string): Promise<Answer> {
    return this.tell([{ path, write: text }, { invalidates: ['list:*'] }]);
  }

  /** What went wrong with its disk. */
  async events(): Promise<string[]> {
    const { events } = await this.tell<{ events: string[] }>({ stats: true });
    return events.filter((event) => event !== 'shard_serving');
  }

  async close(): Promise<void> {
    const exit = once(this.child, 'exit');
    await this.tell({ close: true });
    this.child.stdin?.end();
    await exit;
  }

  async kill(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}

/** Processes over one data directory, and a peer that says `old`. */
async function setUp(count: number) {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-cache-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'peer');
  writeFileSync(path, 'old');
  const start = () => new Process(join(dir, 'data')).ready();
  const processes: Process[] = [];
  for (let i = 0; i < count; i++) processes.push(await start());
  const asked = () => readFileSync(`${path}.asked`, 'utf8').trim().split('\n').length;
  return { dir, path, start, processes, asked };
}

test('C11: what one process has fetched another finds, and what it changes another does not', async () => {
  const { path, processes, asked } = await setUp(2);
  const [one, other] = processes as [Process, Process];
  expect(await one.read(path)).toMatchObject({ text: 'old', cache: 'miss' });
  expect(await one.hit(path)).toMatchObject({ text: 'old', level: 'disk' });
  const before = asked();
  expect(await other.read(path)).toMatchObject({ text: 'old', cache: 'hit', level: 'disk' });
  expect(asked()).toBe(before);
  await one.write(path, 'new');
  expect(await other.read(path)).toMatchObject({ text: 'new', cache: 'miss' });
  expect(await other.hit(path)).toMatchObject({ text: 'new' });
  expect(await one.read(path)).toMatchObject({ text: 'new', cache: 'hit', level: 'disk' });
});

test('C14: what is only in the memory of another process is forgotten within a second', async () => {
  const { path, processes } = await setUp(2);
  const [one, other] = processes as [Process, Process];
  // It uses the disk, so it looks there for what others change.
  await other.read(path);
  expect(await other.read(path, LIST)).toMatchObject({ text: 'old', cache: 'hit', level: 'shard' });
  await one.write(path, 'new');
  const begun = performance.now();
  while ((await other.read(path, LIST)).text !== 'new') await new Promise((resolve) => setImmediate(resolve));
  const tookMs = performance.now() - begun;
  console.log(`heard of after ${Math.round(tookMs)} ms`);
  // Looked for four times a second; the rest is for a machine that has other things to do.
  expect(tookMs).toBeLessThan(3_000);
});

test('C24: 100 operations of two processes, one after another: nobody ever reads what was changed', async () => {
  seeded();
  const random = new Random(SEED);
  const { path, processes } = await setUp(2);
  let text = 'old';
  let hits = 0;
  let reads = 0;
  for (let i = 0; i < 100; i++) {
    const process = random.pick(processes);
    if (random.next() < 0.1) {
      text = `change ${i}`;
      await process.write(path, text);
    } else {
      const read = await process.read(path);
      expect(read.text).toBe(text);
      reads++;
      if (read.cache === 'hit') hits++;
    }
  }
  console.log(`${hits} of ${reads} reads were remembered`);
  expect(hits).toBeGreaterThan(0);
  for (const process of processes) expect(await process.events()).toEqual([]);
});

test('C31: a process that is killed leaves to others what it kept, and to the next what can be read', async () => {
  const { path, processes, start } = await setUp(2);
  const [one, other] = processes as [Process, Process];
  await one.hit(path);
  await one.kill();
  expect(await other.read(path)).toMatchObject({ text: 'old', cache: 'hit', level: 'disk' });
  await other.kill();
  const next = await start();
  expect(await next.read(path)).toMatchObject({ text: 'old', cache: 'hit', level: 'disk' });
  expect(await next.events()).toEqual([]);
});

test('C31: a cache that is damaged is set aside with one warning, and a new one begun', async () => {
  const { dir, path, processes, start } = await setUp(1);
  await processes[0]!.read(path);
  await processes[0]!.close();
  const file = join(dir, 'data', 'cache', 'data.mdb');
  writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0xff));
  const next = await start();
  expect(await next.read(path)).toMatchObject({ text: 'old', cache: 'miss' });
  expect(await next.hit(path)).toMatchObject({ text: 'old', level: 'disk' });
  const events = await next.events();
  expect(events).toHaveLength(1);
  expect(events[0]).toMatch(/moved to/);
  await next.close();
  expect(await (await start()).read(path)).toMatchObject({ cache: 'hit', level: 'disk' });
});

test('C31: where the data directory is not to be had, requests go through, with one warning', async () => {
  const { dir, path, start } = await setUp(0);
  writeFileSync(join(dir, 'data'), 'a file, not a directory');
  const process = await start();
  for (let i = 0; i < 3; i++) expect(await process.read(path)).toMatchObject({ text: 'old', cache: 'miss' });
  await process.write(path, 'new');
  expect(await process.read(path)).toMatchObject({ text: 'new' });
  const events = await process.events();
  expect(events).toHaveLength(1);
  expect(events[0]).toContain(join(dir, 'data'));
  await process.close();
});
