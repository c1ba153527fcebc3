import { once } from 'node:events';
import { expect, test } from 'vitest';
import { type EngineEvent, teller } from '../../src/events.ts';

const DIED: EngineEvent = { type: 'shard_died', shard: 3, message: 'out of memory', key: 'a' };
const CLOSED: EngineEvent = { type: 'breaker_closed', shard: 3, key: 'a', what: 'connect' };

test('a listener hears every event as it is', () => {
  const heard: EngineEvent[] = [];
  const tell = teller((event) => heard.push(event));
  tell(DIED);
  tell(CLOSED);
  expect(heard).toEqual([DIED, CLOSED]);
});

test('without a listener a grave event is a warning of the process, and another is nothing', async () => {
  const warned = once(process, 'warning');
  const tell = teller(undefined);
  tell(CLOSED);
  tell(DIED);
  const [warning] = (await warned) as [Error & { code?: string }];
  expect(warning).toMatchObject({ code: 'KEYLANE', message: 'shard 3: shard_died (message out of memory, key a)' });
});

test('a listener that throws is told of, and hurts nobody', async () => {
  const warned = once(process, 'warning');
  const tell = teller(() => {
    throw new Error('no disk');
  });
  tell(DIED);
  const [warning] = (await warned) as [Error];
  expect(warning.message).toContain('onEvent threw at shard_died: Error: no disk');
});
