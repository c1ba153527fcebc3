import { expect, test } from 'vitest';
import { Looker } from '../../../src/cli/top-look.ts';

/** A service whose answers a test writes. */
class FakeService {
  uptimeMs = 1_000;
  at = 1_000_000;
  told: object[] = [];
  since: (number | undefined)[] = [];
  readonly batches = { list: async () => [] };

  async serviceStats() {
    return { uptimeMs: this.uptimeMs, at: this.at };
  }

  async history() {
    return { t: [], series: {} };
  }

  async events(since?: number) {
    this.since.push(since);
    return this.told;
  }
}

const opened = (seq: number, key: string, forMs = 30_000) => ({
  seq,
  at: 1_000_000,
  event: { type: 'breaker_open', key, what: 'connect', forMs, failures: 5, message: 'no' },
});
const closed = (seq: number, key: string) => ({
  seq,
  at: 1_000_000,
  event: { type: 'breaker_closed', key, what: 'connect' },
});

test('a breaker is open from when it is told until it is told to be closed, or long past its time', async () => {
  const service = new FakeService();
  const looker = new Looker(service as never);
  const keys = async () => (await looker.look()).breakers.map(({ key }) => key);
  service.told = [opened(1, 'a'), opened(2, 'b')];
  expect(await keys()).toEqual(['a', 'b']);
  service.told = [closed(3, 'a')];
  expect(await keys()).toEqual(['b']);
  service.told = [];
  service.at += 30_000;
  expect(await keys()).toEqual(['b']);
  service.at += 61_000;
  expect(await keys()).toEqual([]);
  expect(service.since).toEqual([0, 2, 3, 3]);
});

test('of a service that was started anew all is heard again', async () => {
  const service = new FakeService();
  const looker = new Looker(service as never);
  service.told = [opened(7, 'a')];
  await looker.look();
  service.uptimeMs = 10;
  service.told = [];
  expect((await looker.look()).breakers).toEqual([]);
  service.told = [opened(1, 'c')];
  expect((await looker.look()).breakers.map(({ key }) => key)).toEqual(['c']);
  expect(service.since).toEqual([0, 7, 0]);
});
