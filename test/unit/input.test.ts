import { expect, test } from 'vitest';
import { Input } from '../../workers/input.ts';
import { settled } from '../support/fake-clock.ts';

function setUp() {
  const taken: number[] = [];
  const read: string[] = [];
  const input = new Input((bytes) => taken.push(bytes));
  const reading = async () => {
    for await (const piece of input) read.push(Buffer.from(piece).toString());
    read.push('end');
  };
  return { input, taken, read, reading };
}

test('pieces are read in the order written, and each gives credit when it is taken', async () => {
  const { input, taken, read, reading } = setUp();
  input.push(Buffer.from('one'), false);
  input.push(Buffer.from('three'), true);
  expect(taken).toEqual([]);
  await reading();
  expect(read).toEqual(['one', 'three', 'end']);
  expect(taken).toEqual([3, 5]);
});

test('a reader that has caught up waits for the next piece, and ends with the input', async () => {
  const { input, read, reading } = setUp();
  const done = reading();
  await settled();
  input.push(Buffer.from('late'), false);
  await settled();
  expect(read).toEqual(['late']);
  input.push(new Uint8Array(0), true);
  await done;
  expect(read).toEqual(['late', 'end']);
});

test('a reader that waits is let go when the run is over', async () => {
  const { input, read, reading } = setUp();
  const done = reading();
  await settled();
  input.end();
  await done;
  expect(read).toEqual(['end']);
});
