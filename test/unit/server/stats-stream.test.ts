import { expect, test } from 'vitest';
import type { LiveWriter } from '../../../src/server/live-writer.js';
import type { ServiceStats } from '../../../src/server/metrics/stats.js';
import type { App, Parts, Principal } from '../../../src/server/parts.js';
import { statsRoutes } from '../../../src/server/routes/stats.js';
import { deferred } from '../../../src/util/deferred.js';

type Handler = (request: object, reply: object) => Promise<unknown>;

/** The route of statistics, with readers that are made by hand. */
function streamed() {
  const handlers = new Map<string, Handler>();
  const hearers = new Set<(stats: ServiceStats) => void>();
  const readers: { events: string[]; leave: () => void }[] = [];
  const app = { get: (path: string, _options: object, handler: Handler) => handlers.set(path, handler) };
  const live = {
    events: () => {
      const closed = deferred<void>();
      const reader = { events: [] as string[], leave: () => closed.resolve() };
      readers.push(reader);
      const event = (name: string, data: string) => reader.events.push(`${name} ${data}`);
      return { event, closed: closed.promise } as unknown as LiveWriter;
    },
  };
  const monitor = {
    last: undefined,
    hear: (call: (stats: ServiceStats) => void) => {
      hearers.add(call);
      return () => hearers.delete(call);
    },
  };
  statsRoutes(app as unknown as App, { monitor, live } as unknown as Parts);
  const join = (principal: Partial<Principal>) =>
    handlers.get('/v1/stats')?.({ principal, headers: { accept: 'text/event-stream' } }, {});
  const second = (stats: object) => {
    for (const call of hearers) call(stats as ServiceStats);
  };
  return { join, second, readers, hearers };
}

/** A sample that counts how often it is written as text. */
class Counted {
  writes = 0;
  readonly engine = {
    shards: [{ hint: 'web-1 is hot', inside: { topKeys: { byRequests: [{ key: 'a' }, { key: 'b' }], byTime: [] } } }],
  };
  toJSON(): object {
    this.writes++;
    return { engine: this.engine };
  }
}

test('a sample is written as text once, however many read it, and they all read the same', async () => {
  const { join, second, readers } = streamed();
  for (let reader = 0; reader < 1_000; reader++) await join({ limited: false });
  const sample = new Counted();
  second(sample);
  expect(sample.writes).toBe(1);
  expect(new Set(readers.map(({ events }) => events.join()))).toEqual(
    new Set([`stats ${JSON.stringify({ engine: sample.engine })}`]),
  );
});

test('a token for some hosts reads its own keys and no hint, whatever others read', async () => {
  const { join, second, readers } = streamed();
  await join({ limited: true, seesKey: (key) => key === 'b' });
  await join({ limited: false });
  second(new Counted());
  const [limited, whole] = readers.map(({ events }) => events.join());
  expect(limited).toContain('"byRequests":[{"key":"b"}]');
  expect(limited).not.toContain('hot');
  expect(whole).toContain('{"key":"a"},{"key":"b"}');
});

test('when the last reader has gone nothing is written any more', async () => {
  const { join, second, readers, hearers } = streamed();
  await join({ limited: false });
  readers[0]?.leave();
  await Promise.resolve();
  expect(hearers.size).toBe(0);
  const sample = new Counted();
  second(sample);
  expect(sample.writes).toBe(0);
});
