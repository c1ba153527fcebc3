import { expect, test } from 'vitest';
import { KeyGate } from '../../src/batch/key-gate.ts';
import { settled } from '../support/fake-clock.ts';

test('so many of a key go in, the others wait in the order they came', async () => {
  const gate = new KeyGate(2);
  const inside: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) void Promise.resolve(gate.enter('key')).then(() => inside.push(name));
  await settled();
  expect(inside).toEqual(['a', 'b']);
  gate.leave('key');
  await settled();
  expect(inside).toEqual(['a', 'b', 'c']);
  gate.leave('key');
  await settled();
  expect(inside).toEqual(['a', 'b', 'c', 'd']);
});

test('keys do not wait for each other', () => {
  const gate = new KeyGate(1);
  expect(gate.enter('a')).toBeUndefined();
  expect(gate.enter('b')).toBeUndefined();
  expect(gate.enter('a')).toBeInstanceOf(Promise);
});

test('a place that was left to one who waited is not given away again', () => {
  const gate = new KeyGate(1);
  void gate.enter('a');
  void gate.enter('a');
  gate.leave('a');
  expect(gate.enter('a')).toBeInstanceOf(Promise);
});

test('a key that all have left lets in as many as at first', () => {
  const gate = new KeyGate(1);
  for (let i = 0; i < 3; i++) {
    expect(gate.enter('a')).toBeUndefined();
    gate.leave('a');
  }
  gate.leave('a');
  expect(gate.enter('a')).toBeUndefined();
  expect(gate.enter('a')).toBeInstanceOf(Promise);
});

test('without a limit nobody waits', () => {
  const gate = new KeyGate(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 1_000; i++) expect(gate.enter('a')).toBeUndefined();
});
