import { expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { call, FakeDriver, poolsWith } from '../support/fake-driver.ts';

function setUp() {
  const driver = new FakeDriver();
  const pools = poolsWith(new FakeClock(1_000), {});
  const connected = async (key: string, lane: string) => {
    const caller = call(pools.of(key, lane, lane, driver), lane);
    driver.letOpen();
    await settled();
    caller.lease?.release();
  };
  return { driver, pools, connected };
}

test('a key that is let go has no connection left when it is said so, and other keys keep theirs', async () => {
  const { driver, pools, connected } = setUp();
  await connected('a', 'one');
  await connected('a', 'two');
  await connected('b', 'three');
  driver.closesAtOnce = false;
  let released: boolean | undefined;
  void pools.release('a').then((said) => {
    released = said;
  });
  await settled();
  expect(driver.closes).toHaveLength(2);
  driver.closes.shift()?.open();
  await settled();
  expect(released).toBeUndefined();
  driver.closes.shift()?.open();
  await settled();
  expect(released).toBe(true);
  expect({ idle: pools.counts.idle, lanes: pools.size, keys: pools.keys.size }).toEqual({ idle: 1, lanes: 1, keys: 1 });
});

test('a key is kept whose peer is another, or has failed us, or of which nothing is known', async () => {
  const { driver, pools, connected } = setUp();
  expect(await pools.release('nobody')).toBe(false);

  await connected('a', 'one');
  call(pools.of('a', 'two', 'two', driver), 'two');
  driver.failOpen(new KeylaneError('ERR_AUTH', 'go away'));
  await settled();
  expect(await pools.release('a')).toBe(false);
  expect(pools.counts.idle).toBe(1);

  Object.assign(driver, { peer: () => 'behind' });
  await connected('jump', 'three');
  expect(await pools.release('jump')).toBe(false);
  expect(pools.counts.idle).toBe(2);
});
