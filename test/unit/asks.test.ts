import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { Ask } from '../../src/wire/protocol.ts';
import { toWire } from '../../src/wire/wire-error.ts';
import { Asks } from '../../workers/asks.ts';

test('each question gets its own answer, in whatever order they come', async () => {
  const sent: Ask[] = [];
  const asks = new Asks((ask) => sent.push(ask));
  const [first, second] = [asks.ask('secret', 'env:A'), asks.ask('secret', 'env:B')];
  expect(sent).toMatchObject([{ question: 'secret', about: 'env:A' }, { about: 'env:B' }]);
  const [a, b] = sent.map(({ ask }) => ask);
  asks.answer(b as number, 'of B', undefined);
  asks.answer(a as number, 'of A', undefined);
  expect(await Promise.all([first, second])).toEqual(['of A', 'of B']);
});

test('an error comes back with its code', async () => {
  let id = 0;
  const asks = new Asks(({ ask }) => {
    id = ask;
  });
  const asked = asks.ask('lookup', 'nowhere.example');
  asks.answer(id, undefined, toWire(new KeylaneError('ERR_DNS', 'no such host')));
  await expect(asked).rejects.toMatchObject({ code: 'ERR_DNS', message: 'no such host', retryable: true });
});

test('an answer that nobody waits for, or a second one, changes nothing', async () => {
  let id = 0;
  const asks = new Asks(({ ask }) => {
    id = ask;
  });
  asks.answer(99, 'nobody asked', undefined);
  const asked = asks.ask('secret', 'env:A');
  asks.answer(id, 'first', undefined);
  asks.answer(id, 'second', undefined);
  expect(await asked).toBe('first');
});
