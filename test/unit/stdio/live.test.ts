import { expect, test } from 'vitest';
import { deferred } from '../../../src/util/deferred.js';
import { Live } from '../../../workers/drivers/stdio/live.js';
import { FakeExecute } from '../../support/driver-context.js';

/** A stream whose reader is behind after each message, until it reads. */
function liveOf(isShared: boolean) {
  const heard: string[] = [];
  let read = deferred<void>();
  let held = 0;
  const onChunk = (_: unknown, data: Uint8Array) => {
    heard.push(Buffer.from(data).toString().trim());
    read = deferred<void>();
    return read.promise;
  };
  const host = { most: 100, isShared, say: () => {}, room: () => Promise.resolve(), behind: () => void held++ };
  const live = new Live(new FakeExecute({ onChunk }), host, () => {});
  const reads = async () => {
    read.resolve();
    await Promise.resolve();
  };
  return { live, heard, reads, held: () => held };
}

test('where the reader of a stream is behind, its process waits, unless it is shared', () => {
  for (const isShared of [false, true]) {
    const { live, held } = liveOf(isShared);
    live.hear('1');
    expect(held()).toBe(isShared ? 0 : 1);
  }
});

test('of a shared process, who is behind hears later, and once, of what has changed, and not of what is passing', async () => {
  const { live, heard, reads } = liveOf(true);
  live.hearOf('50 %', false);
  for (const change of ['tools', 'prompts', 'tools']) live.hearOf(change, true);
  live.hearOf('60 %', false);
  expect(heard).toEqual(['50 %']);
  for (let i = 0; i < 2; i++) await reads();
  expect(heard).toEqual(['50 %', 'tools', 'prompts']);
  live.hearOf('70 %', false);
  expect(heard).toHaveLength(3);
  await reads();
  live.hearOf('80 %', false);
  expect(heard.at(-1)).toBe('80 %');
});
