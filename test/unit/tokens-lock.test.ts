import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lock } from '../../src/tokens/lock.ts';
import { systemClock } from '../../src/util/clock.ts';
import { isAlive, newOwner, type Owner, readOwner } from '../../src/util/owner.ts';
import { seeded } from '../support/seed.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keylane-lock-'));
  path = join(folder, 'a.lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const stop = new AbortController();
const take = (signal = stop.signal) => Lock.take(path, { clock: systemClock, random: Math.random, signal });
/** As it is left by a process that was killed: the pid is ours, the start is not. */
const dead = (): Owner => ({ ...newOwner(), start: '1' });
const put = (name: string, owner: Owner) => writeFileSync(join(folder, name), JSON.stringify(owner));
const holder = () => readOwner(readFileSync(path, 'utf8'));

describe('a lock', () => {
  test('is had by one at a time, and by all in the end', async () => {
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const lock = await take();
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is one that only its owner may read', async () => {
    const lock = await take();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await lock.release();
  });

  test('is waited for no longer than the caller wants', async () => {
    const lock = await take();
    const impatient = new AbortController();
    const waiting = take(impatient.signal);
    impatient.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(readdirSync(folder)).toEqual(['a.lock']);
    await lock.release();
  });

  test('that another has meanwhile is not given up by who had it before', async () => {
    const lock = await take();
    const other = { ...newOwner() };
    put('a.lock', other);
    await lock.release();
    expect(holder()).toEqual(other);
  });

  test('cannot be taken where no file can be made', async () => {
    path = join(folder, 'missing', 'a.lock');
    await expect(take()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a dead owner', () => {
  test.each([
    ['itself', (x: Owner) => put('a.lock', x)],
    [
      'and its heir, which died while it took over',
      (x: Owner) => {
        const heir = dead();
        put('a.lock', x);
        put(`a.lock.after.${x.id}`, heir);
      },
    ],
    [
      'and two heirs',
      (x: Owner) => {
        const [y, z] = [dead(), dead()];
        put('a.lock', x);
        put(`a.lock.after.${x.id}`, y);
        put(`a.lock.after.${y.id}`, z);
      },
    ],
  ])('is taken over from by one of 50 at a time: %s', async (_, prepare) => {
    prepare(dead());
    let inside = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, async (__, i) => {
        const lock = await take();
        expect(++inside).toBe(1);
        order.push(i);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        await lock.release();
      }),
    );
    expect(order).toHaveLength(50);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('whose heir is alive leaves the turn to the heir', async () => {
    const [x, heir] = [dead(), newOwner()];
    put('a.lock', x);
    put(`a.lock.after.${x.id}`, heir);
    const impatient = new AbortController();
    const waiting = take(impatient.signal);
    await new Promise((resolve) => systemClock.timer(50, () => resolve(undefined)));
    impatient.abort(new Error('still held'));
    await expect(waiting).rejects.toThrow('still held');
    expect(holder()).toEqual(x);
  });

  test('leaves drafts that are swept when they are an hour old', async () => {
    put('a.lock', dead());
    const [old, young] = [`a.lock.${newOwner().id}`, `a.lock.${newOwner().id}`];
    for (const name of [old, young]) put(name, dead());
    utimesSync(join(folder, old), new Date(), new Date(Date.now() - 3_700_000));
    await (await take()).release();
    expect(readdirSync(folder)).toEqual([young]);
  });
});

test('whoever comes and dies, in whatever order, at most one has the lock', async () => {
  const random = seeded();
  for (let round = 0; round < 40; round++) {
    let inside = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let turns = 0; turns < random.next() * 5; turns++) await new Promise((resolve) => setImmediate(resolve));
        const lock = await take();
        expect(++inside).toBe(1);
        for (let turns = 0; turns < random.next() * 3; turns++) await new Promise((resolve) => setImmediate(resolve));
        inside--;
        // Dies with the lock in its hands, as far as others can see.
        if (random.next() < 0.5) put('a.lock', { ...(holder() as Owner), start: '1' });
        else await lock.release();
      }),
    );
    rmSync(path, { force: true });
    expect(readdirSync(folder)).toEqual([]);
  }
});

describe('an owner', () => {
  test('is alive as long as its process is the one that it was', () => {
    const me = newOwner();
    expect(readOwner(JSON.stringify(me))).toEqual(me);
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, start: `${Number(me.start) + 1}` })).toBe(false);
    expect(isAlive({ ...me, pid: 0x3fffff })).toBe(false);
    expect(isAlive({ ...me, where: 'another boot' })).toBeUndefined();
  });

  test.each(['', '{}', 'null', '{"id":"../../etc","pid":1,"start":"","where":""}', '{"id":7}', '\0'])(
    'is nobody where the file is none of ours: %j',
    (text) => {
      expect(readOwner(text)).toBeUndefined();
    },
  );
});
