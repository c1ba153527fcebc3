import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ConfigSource } from '../../../src/config/source.js';

let home: string;
let file: string;
let told: string[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keylane-source-'));
  file = join(home, 'keylane.yaml');
  told = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const source = () =>
  new ConfigSource({
    cwd: home,
    env: { HOME: home },
    onProblem: ({ message }) => told.push(message.replaceAll(home, '')),
  });

/** As if nobody had touched the file for an hour. */
const settle = () => utimesSync(file, 1_000_000, 1_000_000);

test('a change is seen at once, and nothing is made anew without one', async () => {
  writeFileSync(file, 'shards: 1');
  const config = source();
  const first = await config.current();
  expect(first.engine.shards).toBe(1);
  expect(await config.current()).toBe(first);
  writeFileSync(file, 'shards: 2');
  expect((await config.current()).engine.shards).toBe(2);
});

test('a change that leaves size and mtime as they were is seen', async () => {
  writeFileSync(file, 'shards: 1');
  settle();
  // Later, so that it is not read again for being new.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  const config = source();
  await config.current();
  const { size, mtimeMs } = statSync(file);
  writeFileSync(file, 'shards: 2');
  settle();
  expect(statSync(file)).toMatchObject({ size, mtimeMs });
  expect((await config.current()).engine.shards).toBe(2);
});

test('what was just changed is read again until it could not change without a sign, the rest is not', async () => {
  writeFileSync(file, 'shards: 1');
  vi.useFakeTimers({ toFake: ['Date'], now: statSync(file).ctimeMs });
  onTestFinished(() => void vi.useRealTimers());
  let reads = 0;
  const flags = {
    get moveKeys() {
      reads++;
      return true;
    },
  };
  const config = new ConfigSource({ cwd: home, env: { HOME: home }, flags });
  const first = await config.current();
  for (const times of [2, 3]) {
    expect(await config.current()).toBe(first);
    expect(reads).toBe(times);
  }
  vi.setSystemTime(Date.now() + 10_000);
  for (let i = 0; i < 5; i++) expect(await config.current()).toBe(first);
  expect(reads).toBe(4);
});

test('two changes within one tick of the file system are both seen', async () => {
  const config = source();
  for (let i = 1; i <= 200; i++) {
    writeFileSync(file, `shards: ${(i % 9) + 1}`);
    expect((await config.current()).engine.shards).toBe((i % 9) + 1);
  }
});

test('a file that comes, is replaced, comes nearer or goes is seen', async () => {
  const folder = join(home, 'a');
  mkdirSync(folder);
  const config = new ConfigSource({ cwd: folder, env: { HOME: home } });
  expect((await config.current()).engine).toEqual({});
  writeFileSync(file, 'shards: 1');
  expect((await config.current()).engine).toEqual({ shards: 1 });
  writeFileSync(`${file}.new`, 'shards: 2');
  renameSync(`${file}.new`, file);
  expect((await config.current()).engine).toEqual({ shards: 2 });
  writeFileSync(join(folder, 'keylane.yaml'), 'shards: 3');
  expect((await config.current()).engine).toEqual({ shards: 3 });
  rmSync(join(folder, 'keylane.yaml'));
  expect((await config.current()).engine).toEqual({ shards: 2 });
  rmSync(file);
  expect((await config.current()).engine).toEqual({});
  mkdirSync(join(home, '.config', 'keylane'), { recursive: true });
  writeFileSync(join(home, '.config', 'keylane', 'keylane.yaml'), 'shards: 4');
  expect((await config.current()).engine).toEqual({ shards: 4 });
});

test('a change that is not valid is told once, and what held goes on holding until it is mended', async () => {
  writeFileSync(file, 'shards: 1');
  const config = source();
  const first = await config.current();
  writeFileSync(file, 'shards: many');
  expect(await config.current()).toBe(first);
  expect(await config.current()).toBe(first);
  expect(told).toEqual(['/keylane.yaml:1: shards: expected a number; got "many"']);
  writeFileSync(file, 'shards: [');
  expect(await config.current()).toBe(first);
  expect(told).toHaveLength(2);
  writeFileSync(file, 'shards: 5');
  expect((await config.current()).engine.shards).toBe(5);
  writeFileSync(file, 'shards: many');
  await config.current();
  expect(told).toHaveLength(3);
});

test('without ever a valid one it rejects, and may be mended', async () => {
  writeFileSync(file, 'shards: many');
  const config = source();
  await expect(config.current()).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  await expect(config.current()).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  writeFileSync(file, 'shards: 1');
  expect((await config.current()).engine.shards).toBe(1);
  expect(told).toEqual([]);
});

test('who asks while it is read gets what is read', async () => {
  writeFileSync(file, 'shards: 1');
  const config = source();
  const all = await Promise.all(Array.from({ length: 50 }, () => config.current()));
  expect(new Set(all).size).toBe(1);
  writeFileSync(file, 'shards: 2');
  const again = await Promise.all(Array.from({ length: 50 }, () => config.current()));
  expect(new Set(again.map(({ engine }) => engine.shards))).toEqual(new Set([2]));
});

test('unchanged, it costs less than a millisecond', async () => {
  const deep = join(home, ...'abcdefgh');
  mkdirSync(deep, { recursive: true });
  writeFileSync(
    file,
    `groups:\n${Array.from({ length: 1_000 }, (_, i) => `  g${i}: { hosts: host-${i}.example }`).join('\n')}`,
  );
  const config = new ConfigSource({ cwd: deep, env: { HOME: home } });
  const first = await config.current();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 200; i++) {
    const since = performance.now();
    expect(await config.current()).toBe(first);
    best = Math.min(best, performance.now() - since);
  }
  expect(best).toBeLessThan(1);
});

test('the program is warned where nobody listens', async () => {
  writeFileSync(file, 'shards: 1');
  const config = new ConfigSource({ cwd: home, env: { HOME: home } });
  await config.current();
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  writeFileSync(file, 'shards: lots');
  await config.current();
  expect((await warned).message).toContain('the configuration stays as it was');
});
