import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Outbox, type Outgoing } from '../../../workers/drivers/stdio/outbox.js';
import { settled } from '../../support/fake-clock.js';
import { seeded } from '../../support/seed.js';

/** A server that reads when it is let. */
function start(highWaterMark = 1) {
  const writes: string[] = [];
  let unread = 0;
  let read: (() => void) | undefined;
  const stdin = new Writable({
    highWaterMark,
    write(chunk, _encoding, done) {
      writes.push(String(chunk));
      read = done;
    },
  });
  const outbox = new Outbox(stdin, 'lines', () => unread++);
  return { outbox, writes, reads: () => read?.(), unread: () => unread };
}

test('what is said in one turn of the loop leaves together', async () => {
  const { outbox, writes } = start();
  for (const text of ['1', '2', '3']) outbox.push({ text });
  expect(writes).toEqual([]);
  await settled();
  expect(writes).toEqual(['1\n2\n3\n']);
});

test('many do not wait for the end of their turn', async () => {
  const { outbox, writes, reads } = start(1 << 20);
  const texts = Array.from({ length: 70 }, (_, i) => `${i}`);
  for (const text of texts) outbox.push({ text });
  expect(writes).toHaveLength(1);
  for (let i = 0; i < 3; i++) {
    await settled();
    reads();
  }
  expect(writes.length).toBeGreaterThan(1);
  expect(writes.join('')).toBe(texts.map((text) => `${text}\n`).join(''));
});

test('what the server has no room for waits, can be taken back until it leaves, and is told when it does', async () => {
  const { outbox, writes, reads } = start();
  const told: string[] = [];
  const message = (text: string): Outgoing => ({
    text,
    leaving: () => told.push(`${text} leaves`),
    written: () => told.push(`${text} is written`),
  });
  const [one, two, three] = ['1', '2', '3'].map(message) as [Outgoing, Outgoing, Outgoing];
  outbox.push(one);
  await settled();
  outbox.push(two);
  outbox.push(three);
  let hasRoom = false;
  void outbox.room().then(() => {
    hasRoom = true;
  });
  await settled();
  expect({ writes, told, hasRoom }).toEqual({ writes: ['1\n'], told: ['1 leaves'], hasRoom: false });
  outbox.drop(two);
  reads();
  await settled();
  expect({ writes, told, hasRoom }).toEqual({
    writes: ['1\n', '3\n'],
    told: expect.arrayContaining(['1 is written', '3 leaves']),
    hasRoom: true,
  });
});

test('of very many that wait, those that are taken back leave no trace, and the others leave in their order', async () => {
  const { outbox, writes, reads } = start();
  outbox.push({ text: 'x' });
  await settled();
  const random = seeded();
  let kept: Outgoing[] = [];
  for (let i = 0; i < 1_000; i++) {
    const message = { text: String(i) };
    outbox.push(message);
    kept.push(message);
    if (random.below(4) > 0) {
      const dropped = random.pick(kept);
      outbox.drop(dropped);
      kept = kept.filter((other) => other !== dropped);
    }
  }
  reads();
  await settled();
  expect(writes).toEqual(['x\n', kept.map(({ text }) => `${text}\n`).join('')]);
});

test('what is ours to say is kept for a server that reads nothing up to a bound', async () => {
  const { outbox, unread } = start();
  outbox.push({ text: 'x' });
  await settled();
  for (let i = 0; i < 10_000; i++) outbox.pushOwn('{}');
  expect(unread()).toBe(0);
  outbox.pushOwn('{}');
  expect(unread()).toBe(1);
});

test('after the end nothing leaves but the farewell', async () => {
  const { outbox, writes, reads } = start();
  outbox.push({ text: 'late' });
  outbox.end(['shutdown', 'exit']);
  outbox.push({ text: 'later' });
  await settled();
  reads();
  expect(writes).toEqual(['shutdown\nexit\n']);
});
