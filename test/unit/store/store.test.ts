import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.ts';
import { dataDirectory } from '../../../src/store/data-dir.ts';
import { openStore, type StoreOptions } from '../../../src/store/store.ts';
import { seeded } from '../../support/seed.ts';

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function opened(options: Partial<StoreOptions> = {}, dir = join(temporary(), 'store')) {
  const store = await openStore(dir, { durable: true, version: 1, ...options });
  onTestFinished(() => store.close());
  return store;
}

const bytes = (text: string) => Buffer.from(text);
const keysOf = (range: Iterable<[Buffer, Buffer]>) => [...range].map(([key]) => key.toString());

async function refusal(promise: Promise<unknown>): Promise<KeylaneError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KeylaneError);
  return error as KeylaneError;
}

describe('a store', () => {
  test('hands out what was put, as a copy of its own, also after it was opened again', async () => {
    const store = await opened();
    await store.put('a', bytes('one'));
    await store.put(Buffer.of(0, 255), new Uint8Array(0));
    const first = store.get('a');
    first?.fill(0);
    expect(store.get('a')).toEqual(bytes('one'));
    await store.flushed();
    await store.close();
    const again = await opened({}, store.dir);
    expect(again.get('a')).toEqual(bytes('one'));
    expect(again.get(Buffer.of(0, 255))).toEqual(Buffer.alloc(0));
    expect(again.get('b')).toBeUndefined();
  });

  test('forgets what was removed, and takes the removal of nothing', async () => {
    const store = await opened();
    await store.put('a', bytes('one'));
    await store.remove('a');
    await store.remove('a');
    expect(store.get('a')).toBeUndefined();
  });

  test('keeps any bytes under any key, in the order of the keys', async () => {
    const random = seeded();
    const store = await opened({ durable: false });
    const all = new Map<string, Buffer>();
    const some = (most: number) => Buffer.from(Array.from({ length: 1 + random.below(most) }, () => random.below(256)));
    for (let i = 0; i < 300; i++) {
      const key = some(20);
      const value = random.below(20) === 0 ? some(20_000) : some(100);
      all.set(key.toString('hex'), value);
      void store.put(key, value);
    }
    await store.flushed();
    const expected = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
    const shown = ([key, value]: [Buffer, Buffer]): [string, Buffer] => [key.toString('hex'), value];
    expect([...store.range()].map(shown)).toEqual(expected);
    expect([...store.range({ reverse: true })].map(shown)).toEqual(expected.reverse());
  });

  test('ranges over keys from a first one to before a last one, by a prefix, backwards, and up to a limit', async () => {
    const store = await opened();
    for (const key of ['a', 'b/1', 'b/2', 'b/3', 'c', '\u00ff']) void store.put(key, bytes(key));
    await store.flushed();
    expect(keysOf(store.range({ start: 'b/2', end: 'c' }))).toEqual(['b/2', 'b/3']);
    expect(keysOf(store.range({ start: 'b/2', end: 'c', reverse: true }))).toEqual(['b/3', 'b/2']);
    expect(keysOf(store.range({ prefix: 'b/' }))).toEqual(['b/1', 'b/2', 'b/3']);
    expect(keysOf(store.range({ prefix: 'b/', reverse: true, limit: 2 }))).toEqual(['b/3', 'b/2']);
    expect(keysOf(store.range({ end: 'b/2' }))).toEqual(['a', 'b/1']);
    expect(keysOf(store.range({ start: 'c' }))).toEqual(['c', '\u00ff']);
    expect(keysOf(store.range({ prefix: Buffer.of(0xff) }))).toEqual([]);
  });

  test('makes all of a transaction or nothing', async () => {
    const store = await opened();
    await store.put('n', bytes('1'));
    const failed = store.transaction(() => {
      void store.put('n', bytes('2'));
      void store.put('m', bytes('2'));
      throw new KeylaneError('ERR_INPUT', 'no');
    });
    expect((await refusal(failed)).code).toBe('ERR_INPUT');
    expect([store.get('n'), store.get('m')]).toEqual([bytes('1'), undefined]);
    const result = await store.transaction(() => {
      void store.put('n', bytes('3'));
      void store.put('m', bytes('4'));
      void store.remove('n');
      return [store.get('n'), store.get('m'), keysOf(store.range())];
    });
    expect(result).toEqual([undefined, bytes('4'), ['m']]);
    expect(keysOf(store.range())).toEqual(['m']);
  });

  test('runs a transaction after what was put before it', async () => {
    const store = await opened();
    void store.put('n', bytes('first'));
    expect(await store.transaction(() => store.get('n'))).toEqual(bytes('first'));
  });

  test('does not take asynchronous work for a transaction', async () => {
    const store = await opened();
    await expect(store.transaction(() => Promise.resolve())).rejects.toThrow('asynchronous');
  });

  test('counts what an older version wrote as not there, and refuses to write over what a newer one wrote', async () => {
    const dir = join(temporary(), 'store');
    const second = await opened({ version: 2 }, dir);
    const first = await opened({ version: 1 }, dir);
    await first.put('old', bytes('1'));
    expect(second.get('old')).toBeUndefined();
    expect(keysOf(second.range())).toEqual([]);
    await second.put('new', bytes('2'));
    expect(() => first.get('new')).toThrow(/written by a newer keylane/);
  });

  test('of a cache that a newer version wrote is empty', async () => {
    const dir = join(temporary(), 'store');
    const second = await opened({ version: 2, durable: false }, dir);
    await second.put('new', bytes('2'));
    expect((await opened({ version: 1, durable: false }, dir)).get('new')).toBeUndefined();
  });

  test('is open until the last one who opened it closes it', async () => {
    const store = await opened();
    const other = await opened({}, store.dir);
    await store.put('a', bytes('1'));
    await store.close();
    await store.close();
    expect(other.get('a')).toEqual(bytes('1'));
    expect(() => store.get('a')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    const closing = other.close();
    const again = await opened({}, store.dir);
    await closing;
    expect(again.get('a')).toEqual(bytes('1'));
  });

  test('refuses a key that LMDB cannot hold', async () => {
    const store = await opened();
    for (const key of ['', 'k'.repeat(1_979)])
      expect(() => store.put(key, bytes('1'))).toThrow(expect.objectContaining({ code: 'ERR_INPUT' }));
    await store.put('k'.repeat(1_978), bytes('1'));
    expect(store.get('k'.repeat(1_978))).toEqual(bytes('1'));
  });
});

describe('the files of a store', () => {
  test('are for their owner alone under any umask, and are made so if they were not', async () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const dir = join(temporary(), 'home', 'data', 'store');
    const modes = () =>
      [dir, ...readdirSync(dir).map((name) => join(dir, name))].map((path) => [
        lstatSync(path).isDirectory() ? 'directory' : 'file',
        (lstatSync(path).mode & 0o777).toString(8),
      ]);
    const store = await opened({}, dir);
    await store.put('a', bytes('1'));
    const expected = (mode: string[]) => (mode[0] === 'directory' ? '700' : '600');
    for (const mode of modes()) expect(mode[1]).toBe(expected(mode));
    await store.close();
    chmodSync(dir, 0o777);
    chmodSync(join(dir, 'data.mdb'), 0o666);
    process.umask(0o777);
    await opened({}, dir);
    for (const mode of modes()) expect(mode[1]).toBe(expected(mode));
  });

  test('are refused where a link, a file or a pipe stands in their place, with the path', async () => {
    const home = temporary();
    mkdirSync(join(home, 'real'));
    symlinkSync(join(home, 'real'), join(home, 'link'));
    writeFileSync(join(home, 'file'), '');
    mkdirSync(join(home, 'store'));
    symlinkSync(join(home, 'file'), join(home, 'store', 'data.mdb'));
    for (const name of ['link', 'file', 'file/store', 'store']) {
      const error = await refusal(openStore(join(home, name), { durable: true, version: 1 }));
      expect([name, error.code]).toEqual([name, 'ERR_CONFIG']);
      expect(error.message).toContain(join(home, name));
      expect(error.message).toContain('dataDir');
    }
  });
});

describe('the data directory', () => {
  test('is the one that was asked for, else in the XDG data home, else in the home', () => {
    const home = temporary();
    const env = { HOME: home, XDG_DATA_HOME: join(home, 'xdg') };
    expect(dataDirectory(join(home, 'mine'), env)).toBe(join(home, 'mine'));
    expect(dataDirectory(undefined, env)).toBe(join(home, 'xdg', 'keylane'));
    expect(dataDirectory(undefined, { ...env, XDG_DATA_HOME: 'relative' })).toBe(join(home, '.local/share/keylane'));
    expect(lstatSync(join(home, '.local/share/keylane')).mode & 0o777).toBe(0o700);
  });
});
