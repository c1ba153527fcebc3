import { expect, test } from 'vitest';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import { Outbox } from '../../src/wire/outbox.ts';
import type { Reply, ResponseReply } from '../../src/wire/protocol.ts';
import { settled } from '../support/fake-clock.ts';

function reply(id: number, response: unknown = null): ResponseReply {
  return { kind: 'response', slot: id, id, queuedUs: 0, openUs: 0, runUs: 0, reused: false, response };
}

/** `frames` holds the ids of each frame that was posted. */
function setup() {
  const frames: number[][] = [];
  const refused: number[] = [];
  const never = () => {
    throw new Error('not expected');
  };
  const outbox = new Outbox<Reply>(
    (frame) => {
      const ids: number[] = [];
      new FrameReader<Reply>().read(frame, { run: never, other: never, response: (_, id) => ids.push(id) });
      frames.push(ids);
    },
    (message) => refused.push((message as ResponseReply).id),
  );
  return { outbox, frames, refused };
}

test('the messages of a turn go in one frame when it is over, in order', async () => {
  const { outbox, frames } = setup();
  for (const id of [1, 2, 3]) outbox.push(reply(id));
  await Promise.resolve();
  expect(frames).toEqual([]);
  await settled();
  expect(frames).toEqual([[1, 2, 3]]);
  outbox.push(reply(4));
  await settled();
  expect(frames).toEqual([[1, 2, 3], [4]]);
});

test('a busy turn goes in a frame of 128 messages and then of 256, the full ones at once; the next turn begins anew', async () => {
  const { outbox, frames } = setup();
  const ids: number[] = [];
  const sizes = () => frames.splice(0).map((frame) => ids.push(...frame) && frame.length);
  for (let id = 0; id < 700; id++) outbox.push(reply(id));
  expect(sizes()).toEqual([128, 256, 256]);
  await settled();
  expect(sizes()).toEqual([60]);
  expect(ids).toEqual(Array.from({ length: 700 }, (_, id) => id));
  for (let id = 0; id < 128; id++) outbox.push(reply(id));
  expect(sizes()).toEqual([128]);
});

test('soon posts when the running step is over, and the turn has nothing left to post', async () => {
  const { outbox, frames } = setup();
  outbox.push(reply(1));
  outbox.soon();
  outbox.push(reply(2));
  expect(frames).toEqual([]);
  await Promise.resolve();
  expect(frames).toEqual([[1, 2]]);
  await settled();
  expect(frames).toHaveLength(1);
});

test('a message that cannot be encoded is heard of, and the others go in order', async () => {
  const { outbox, frames, refused } = setup();
  outbox.push(reply(1));
  outbox.push(reply(2, Symbol('no')));
  outbox.push(reply(3));
  await settled();
  expect(refused).toEqual([2]);
  expect(frames.flat()).toEqual([1, 3]);
});
