import { expect, test } from 'vitest';
import { KeylaneError } from '../../../src/errors.ts';
import { NOT_MODIFIED } from '../../../src/types.ts';
import { packValue } from '../../../src/wire/codec.ts';
import { InsideShard } from '../../support/inside-shard.ts';

/** A shard with a connection, that remembers `old` as the answer of `a`, for a second. */
async function withAnswer(more: Parameters<InsideShard['ask']>[1] = {}, answer: object = {}) {
  const shard = new InsideShard();
  await shard.ask('a', more);
  await shard.connect();
  await shard.answer({ text: 'old', ...answer });
  return shard;
}

test('C15: an answer is given again without a request until its time is over', async () => {
  const shard = await withAnswer();
  shard.clock.advance(999);
  expect((await shard.ask('a')).told).toBe('hit 999 old');
  expect(shard.fetches).toBe(0);
  shard.clock.advance(1);
  const late = await shard.ask('a');
  expect([late.told, shard.fetches]).toEqual([undefined, 1]);
  await shard.answer('new');
  expect(late.told).toBe('miss 0 new');
  expect((await shard.ask('a')).told).toBe('hit 0 new');
});

test('C13: it is no older than whoever asks allows, and than whoever had it fetched did', async () => {
  const shard = await withAnswer({ ttlMs: 5_000 });
  shard.clock.advance(2_000);
  expect((await shard.ask('a', { ttlMs: 3_000 })).told).toBe('hit 2000 old');
  const wary = await shard.ask('a', { ttlMs: 2_000 });
  expect(wary.told).toBeUndefined();
  await shard.answer('new');
  shard.clock.advance(2_000);
  await shard.ask('a', { ttlMs: 60_000 });
  expect(shard.fetches).toBe(1);
});

test('an answer is remembered for as long as its peer says, unless the caller has a time of its own', async () => {
  const shard = await withAnswer({}, { ttlMs: 5_000 });
  shard.clock.advance(4_999);
  expect((await shard.ask('a')).told).toBe('hit 4999 old');
  expect((await shard.ask('a', { ttlMs: 1_000, ownTtl: true })).told).toBeUndefined();
  await shard.answer({ text: 'own', ttlMs: 60_000 });
  shard.clock.advance(1_000);
  expect((await shard.ask('a')).told).toBeUndefined();
  await shard.answer({ text: 'short', ttlMs: 10 });
  shard.clock.advance(10);
  expect((await shard.ask('a')).told).toBeUndefined();
});

test('an answer that is not to be remembered is not, whoever has a time of its own, and yes or no', async () => {
  const shard = await withAnswer({ ttlMs: 60_000, ownTtl: true }, { ttlMs: 0 });
  expect((await shard.stats()).cache.entries).toBe(0);
  await shard.ask('a', { negativeMs: 60_000 });
  await shard.answer({ text: 'refused', no: true, ttlMs: 0 });
  expect((await shard.stats()).cache.entries).toBe(0);
});

test('an answer that holds still holds for as long as it said', async () => {
  const shard = await withAnswer({}, { etag: '1', ttlMs: 5_000 });
  shard.clock.advance(5_000);
  const again = await shard.ask('a');
  await shard.answer(NOT_MODIFIED);
  expect(again.told).toBe('miss 0 old');
  shard.clock.advance(4_999);
  expect((await shard.ask('a')).told).toBe('hit 4999 old');
});

test.each([Number.NaN, 'soon', null])(
  'what a driver says of the time that is no number (%s) is as if it said nothing',
  async (ttlMs) => {
    const shard = await withAnswer({}, { ttlMs });
    shard.clock.advance(999);
    expect((await shard.ask('a')).told).toBe('hit 999 old');
    shard.clock.advance(1);
    expect((await shard.ask('a')).told).toBeUndefined();
  },
);

test('1,000 callers of one cold answer cause one request, and each gets the answer', async () => {
  const shard = new InsideShard();
  const callers = await Promise.all(Array.from({ length: 1_000 }, () => shard.ask('a')));
  await shard.connect();
  expect(shard.fetches).toBe(1);
  expect((await shard.stats()).cache).toMatchObject({ filling: 1, joined: 999 });
  await shard.answer('fresh');
  expect(shard.fetches).toBe(0);
  const told = callers.map((caller) => caller.told);
  expect(told.filter((what) => what === 'miss 0 fresh')).toHaveLength(1);
  expect(told.filter((what) => what === 'hit 0 fresh')).toHaveLength(999);
  const { requests, cache } = await shard.stats();
  expect({ requests, ...cache }).toMatchObject({ requests: 0, entries: 1, hits: 999, misses: 1, filling: 0 });
});

test('when nothing reached the peer all who wait are told that, and the next caller asks again', async () => {
  const shard = new InsideShard();
  const callers = await Promise.all([shard.ask('a'), shard.ask('a'), shard.ask('a')]);
  shard.driver.failOpen();
  await shard.stats();
  expect(callers.map((caller) => caller.told)).toEqual(new Array(3).fill('ERR_CONNECT not_started'));
  const next = await shard.ask('a');
  await shard.connect();
  await shard.answer('well');
  expect(next.told).toBe('miss 0 well');
});

test('when nobody knows whether it ran, only the one whose request it was is told unknown', async () => {
  const shard = new InsideShard();
  const callers = await Promise.all([shard.ask('a'), shard.ask('a'), shard.ask('a')]);
  await shard.connect();
  shard.sent();
  expect(callers.map((caller) => caller.wasSent)).toEqual([true, false, false]);
  await shard.fail(new KeylaneError('ERR_CONNECTION_LOST'));
  expect(callers.map((caller) => caller.told)).toEqual([
    'ERR_CONNECTION_LOST unknown',
    'ERR_CONNECTION_LOST not_started',
    'ERR_CONNECTION_LOST not_started',
  ]);
});

test('calling one caller off leaves the request to the others, whoever it is', async () => {
  const shard = new InsideShard();
  const [first, second, third] = await Promise.all([shard.ask('a'), shard.ask('a'), shard.ask('a')]);
  await shard.connect();
  shard.sent();
  await shard.cancel(first);
  await shard.cancel(third);
  expect([first.told, second.told, third.told]).toEqual(['ERR_CANCELED canceled', undefined, 'ERR_CANCELED canceled']);
  // It runs for the second one now: were the shard to die, that is whose request may have run.
  expect(second.wasSent).toBe(true);
  expect(shard.driver.executes[0]?.about.context.signal.aborted).toBe(false);
  await shard.answer('fresh');
  expect(second.told).toBe('hit 0 fresh');
});

test('the deadline of one caller is not that of the others', async () => {
  const shard = new InsideShard();
  const owner = await shard.ask('a', {}, { deadline: 1_100 });
  const hasty = await shard.ask('a', {}, { deadline: 1_050 });
  const patient = await shard.ask('a');
  await shard.connect();
  shard.sent();
  await shard.clock.advanceSettling(150);
  await shard.stats();
  expect([owner.told, hasty.told, patient.told]).toEqual(['ERR_TIMEOUT unknown', 'ERR_TIMEOUT not_started', undefined]);
  await shard.answer('fresh');
  expect(patient.told).toBe('hit 0 fresh');
});

test('the last caller who goes takes the request along, and who comes then begins anew', async () => {
  const shard = new InsideShard();
  const [first, second] = await Promise.all([shard.ask('a'), shard.ask('a')]);
  await shard.connect();
  shard.sent();
  await shard.cancel(first);
  await shard.cancel(second);
  const { context } = shard.driver.executes[0]!.about;
  expect([context.signal.aborted, second.told]).toEqual([true, undefined]);
  const third = await shard.ask('a');
  expect(shard.fetches).toBe(2);
  await shard.fail(context.signal.reason as Error);
  expect(second.told).toBe('ERR_CANCELED canceled');
  await shard.answer('fresh');
  expect(third.told).toBe('miss 0 fresh');
});

test('a driver that ignores that its last caller went has its grace, and the caller its answer', async () => {
  const shard = new InsideShard();
  const caller = await shard.ask('a', {}, { deadline: 1_100 });
  await shard.connect();
  shard.sent();
  await shard.clock.advanceSettling(5_000);
  await shard.stats();
  expect(caller.told).toBe('ERR_TIMEOUT unknown');
});

test('a caller whose deadline has passed when it comes is told so, and nothing is fetched', async () => {
  const shard = await withAnswer();
  const late = await shard.ask('b', {}, { deadline: 1_000 });
  expect([late.told, shard.fetches]).toEqual(['ERR_TIMEOUT not_started', 0]);
  expect((await shard.stats()).requests).toBe(0);
});

test('an answer past its time is given at once where that is allowed, with one request behind it', async () => {
  const shard = await withAnswer({ staleMs: 5_000 });
  shard.clock.advance(1_500);
  expect((await shard.ask('a', { staleMs: 5_000 })).told).toBe('stale 1500 old');
  expect((await shard.ask('a', { staleMs: 5_000 })).told).toBe('stale 1500 old');
  expect(shard.fetches).toBe(1);
  await shard.answer('new');
  expect((await shard.ask('a')).told).toBe('hit 0 new');
  expect((await shard.stats()).cache).toMatchObject({ hits: 1, misses: 1, stale: 2 });
  shard.clock.advance(6_000);
  expect((await shard.ask('a', { staleMs: 5_000 })).told).toBeUndefined();
});

test('a refresh that fails leaves the old answer until it is too old', async () => {
  const shard = await withAnswer({ staleMs: 5_000 });
  shard.clock.advance(1_500);
  await shard.ask('a', { staleMs: 5_000 });
  await shard.fail(new KeylaneError('ERR_CONNECTION_LOST'));
  expect((await shard.ask('a', { staleMs: 5_000 })).told).toBe('stale 1500 old');
  expect(shard.driver.opens.length + shard.fetches).toBe(1);
});

test('a shard that is to end does not wait for a refresh', async () => {
  const shard = await withAnswer({ staleMs: 5_000 });
  shard.clock.advance(1_500);
  await shard.ask('a', { staleMs: 5_000 });
  shard.sent();
  await shard.say({ kind: 'drain' });
  expect(shard.driver.executes[0]!.about.context.signal.aborted).toBe(true);
  await shard.clock.advanceSettling(3_000);
  await shard.ended;
});

test('C24: `fresh` skips what is remembered, does not wait for what was begun before, and is remembered', async () => {
  const shard = await withAnswer();
  shard.clock.advance(1_000);
  const before = await shard.ask('a');
  const fresh = await shard.ask('a', { fresh: true });
  expect(shard.fetches).toBe(2);
  // The later request is answered first; the earlier one must not write over it.
  const [earlier, later] = shard.driver.executes.splice(0) as [never, never];
  shard.driver.executes.push(later);
  await shard.answer('newer');
  shard.driver.executes.push(earlier);
  await shard.answer('new');
  expect([before.told, fresh.told]).toEqual(['miss 0 new', 'miss 0 newer']);
  expect((await shard.ask('a')).told).toBe('hit 0 newer');
});

test('errors are never remembered, and an answer no only where it is asked for, for its own time', async () => {
  const shard = await withAnswer({}, { text: 'no', no: true });
  const again = await shard.ask('a', { negativeMs: 500 });
  expect(shard.fetches).toBe(1);
  await shard.answer({ text: 'no!', no: true });
  expect(again.told).toBe('miss 0 no!');
  shard.clock.advance(400);
  expect((await shard.ask('a', { negativeMs: 500 })).told).toBe('hit 400 no!');
  expect((await shard.ask('a', { negativeMs: 300 })).told).toBeUndefined();
  await shard.answer('yes');
  expect((await shard.ask('a')).told).toBe('hit 0 yes');
  await shard.ask('a', { digest: 'other', negativeMs: 500 });
  await shard.answer({ text: 'no!', no: true });
  expect((await shard.ask('a', { digest: 'other' })).told).toBeUndefined();
});

test('C11: an answer with an etag is asked after, not fetched, when its time is over', async () => {
  const shard = await withAnswer({}, { etag: 'v1' });
  shard.clock.advance(2_000);
  const asks = await shard.ask('a');
  expect(shard.driver.executes[0]!.about.context.etag).toBe('v1');
  await shard.answer(NOT_MODIFIED);
  expect(asks.told).toBe('miss 0 old');
  expect((await shard.ask('a')).told).toBe('hit 0 old');
  shard.clock.advance(2_000);
  const changed = await shard.ask('a');
  await shard.answer({ text: 'new', etag: 'v2' });
  expect(changed.told).toBe('miss 0 new');
  expect((await shard.stats()).cache).toMatchObject({ misses: 3, revalidated: 1 });
  const fresh = await shard.ask('a', { fresh: true });
  expect(shard.driver.executes[0]!.about.context.etag).toBeUndefined();
  await shard.answer(NOT_MODIFIED);
  expect(fresh.told).toBe('ERR_PROTOCOL unknown');
});

test('C11: an older answer that came along from the disk is asked after too', async () => {
  const shard = new InsideShard();
  const asks = await shard.ask('a', { etag: 'v1', old: packValue({ text: 'of the disk' }) });
  await shard.connect();
  expect(shard.driver.executes[0]!.about.context.etag).toBe('v1');
  await shard.answer(NOT_MODIFIED);
  expect(asks.told).toBe('miss 0 of the disk');
  expect((await shard.ask('a')).told).toBe('hit 0 of the disk');
});

test('C14: what is invalidated is forgotten, by name, tag or key, and what is not stays', async () => {
  const shard = await withAnswer({ tags: ['vms'] });
  await shard.ask('b');
  await shard.answer('other');
  expect(await shard.invalidate('nothing', 'status:*', 'key:ghost')).toBe(0);
  expect(await shard.invalidate('vms')).toBe(1);
  expect((await shard.ask('b')).told).toBe('hit 0 other');
  expect(await shard.invalidate('list:?')).toBe(1);
  await shard.ask('c');
  await shard.answer('third');
  expect(await shard.invalidate('key:host')).toBe(1);
  expect((await shard.stats()).cache).toMatchObject({ entries: 0, bytes: 0 });
});

test('C14: what was begun before an invalidation is given to who waited, and to nobody after', async () => {
  const shard = new InsideShard();
  const before = await shard.ask('a', { tags: ['vms'] });
  await shard.connect();
  await shard.invalidate('vms');
  const after = await shard.ask('a', { tags: ['vms'] });
  expect(shard.fetches).toBe(2);
  await shard.answer('old');
  expect([before.told, after.told]).toEqual(['miss 0 old', undefined]);
  const later = await shard.ask('a', { tags: ['vms'] });
  await shard.answer('new');
  expect([after.told, later.told]).toEqual(['miss 0 new', 'hit 0 new']);
});

test('C14: an answer that lacks a tag of the caller is not for it: an invalidation may have passed it by', async () => {
  const shard = await withAnswer({ tags: ['a'] });
  await shard.invalidate('b');
  const wary = await shard.ask('a', { tags: ['b'] });
  expect(wary.told).toBeUndefined();
  const third = await shard.ask('a', { tags: ['c'] });
  expect(shard.fetches).toBe(2);
  await shard.answer('new');
  await shard.answer('newer');
  expect([wary.told, third.told]).toEqual(['miss 0 new', 'miss 0 newer']);
  // Who comes next under any of these tags finds it, and it goes with each of them.
  expect((await shard.ask('a', { tags: ['a', 'b', 'c'] })).told).toBe('hit 0 newer');
  expect(await shard.invalidate('a')).toBe(1);
});

test('C31: an answer that cannot be encoded fails its callers, as without a cache, and nobody else', async () => {
  const shard = await withAnswer();
  const asks = await shard.ask('b');
  await shard.answer({ text: Symbol('no data') as never });
  expect(asks.told).toBe('ERR_PROTOCOL unknown');
  expect((await shard.ask('a')).told).toBe('hit 0 old');
});
