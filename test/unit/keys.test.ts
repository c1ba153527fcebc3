import { describe, expect, test } from 'vitest';
import { KeylaneError } from '../../src/errors.ts';
import type { ShardEvent } from '../../src/events.ts';
import { type Key, Keys } from '../../workers/keys.ts';
import { FakeClock } from '../support/fake-clock.ts';

const BOUNDS = { failures: 3, openMs: 10_000, maxOpenMs: 25_000 };
const SILENT = new KeylaneError('ERR_CONNECT', 'host: no answer', { key: 'host' });
const REFUSED = new KeylaneError('ERR_AUTH', 'host refused the log-in', { key: 'host' });

function setUp(bounds: typeof BOUNDS | false = BOUNDS) {
  const clock = new FakeClock(1_000_000);
  const events: ShardEvent[] = [];
  const keys = new Keys(clock, bounds, { random: () => 0, tell: (event) => events.push(event) });
  const begin = (key: Key) => {
    const attempt = { dueAt: clock.now() + 1_000 };
    keys.began(key, attempt);
    return attempt;
  };
  /** So many tries that fail, one after another. */
  const fail = (key: Key, error: KeylaneError, times = 1) => {
    for (; times > 0; times--) keys.failed(key, begin(key), error);
  };
  return { clock, events, keys, key: keys.of('host'), begin, fail };
}

test('a key is the same for all who ask, and gone when its last lane is', () => {
  const { keys, key } = setUp();
  expect(keys.of('host')).toBe(key);
  key.lanes = 2;
  keys.left(key);
  expect(keys.size).toBe(1);
  keys.left(key);
  expect(keys.size).toBe(0);
});

test('keys that are let alone are counted by what failed, those that are being tried apart', () => {
  const { clock, keys, fail, begin } = setUp();
  const failed = (name: string, code: 'ERR_CONNECT' | 'ERR_AUTH', times: number) =>
    fail(keys.of(name), new KeylaneError(code, 'no', { key: name }), times);
  failed('a', 'ERR_CONNECT', 2);
  expect(keys.breakers).toEqual({ connect: { open: 0, probing: 0 }, log_in: { open: 0, probing: 0 } });
  failed('a', 'ERR_CONNECT', 1);
  failed('b', 'ERR_CONNECT', 3);
  failed('c', 'ERR_AUTH', 2);
  clock.advance(10_000);
  begin(keys.of('b'));
  expect(keys.breakers).toEqual({ connect: { open: 1, probing: 1 }, log_in: { open: 1, probing: 0 } });
});

describe('failures to connect', () => {
  test('in a row stop the key and no other, and the refusal says why, since when and until when', () => {
    const { clock, keys, key, fail } = setUp();
    fail(key, SILENT, 2);
    expect(keys.refusal(key)).toBeUndefined();
    fail(key, SILENT);
    expect(keys.refusal(key)).toMatchObject({
      ...{ code: 'ERR_BREAKER_OPEN', outcome: 'not_started', retryable: true, key: 'host', retryAfterMs: 10_000 },
      message:
        'not tried: 3 failures to connect in a row; the last: host: no answer; the next try is let through in 10 s',
    });
    expect(keys.refusal(keys.of('other'))).toBeUndefined();
    clock.advance(9_999);
    expect(keys.refusal(key)?.message).toContain('in 1 s');
    clock.advance(1);
    expect(keys.refusal(key)).toBeUndefined();
  });

  test('one try is let through then, and until it has ended no other', () => {
    const { clock, keys, key, begin, fail } = setUp();
    fail(key, SILENT, 3);
    clock.advance(10_000);
    const probe = begin(key);
    expect(keys.refusal(key)).toMatchObject({ code: 'ERR_BREAKER_OPEN', retryAfterMs: 1_000 });
    expect(keys.refusal(key)?.message).toContain('one try is under way');
    expect(() => begin(key)).toThrow('while its breaker was half_open');
    keys.failed(key, probe, SILENT);
    expect(keys.refusal(key)?.retryAfterMs).toBe(20_000);
    clock.advance(20_000);
    keys.failed(key, begin(key), SILENT);
    // Three times as long would be more than the most.
    expect(keys.refusal(key)?.retryAfterMs).toBe(25_000);
    clock.advance(25_000);
    begin(key);
    keys.succeeded(key);
    expect(keys.refusal(key)).toBeUndefined();
    fail(key, SILENT, 2);
    expect(keys.refusal(key)).toBeUndefined();
  });

  test('are told of when they stop a key, and so is its return', () => {
    const { clock, events, keys, key, begin, fail } = setUp();
    fail(key, SILENT, 3);
    const told = { type: 'breaker_open', key: 'host', what: 'connect', message: 'host: no answer' };
    expect(events).toEqual([{ ...told, forMs: 10_000, failures: 3 }]);
    expect(keys.stopped).toBe(1);
    clock.advance(10_000);
    fail(key, SILENT);
    expect(events[1]).toEqual({ ...told, forMs: 20_000, failures: 4 });
    clock.advance(20_000);
    begin(key);
    keys.succeeded(key);
    expect(events.slice(2)).toEqual([{ type: 'breaker_closed', key: 'host', what: 'connect' }]);
    expect(keys.stopped).toBe(0);
  });

  test('of this machine, of the resolver or of a host on the way do not count', () => {
    const { events, keys, key, fail } = setUp();
    const withCode = (code: string) => {
      const cause = Object.assign(new Error(code), { code });
      return new KeylaneError('ERR_CONNECT', code, { key: 'host', cause });
    };
    for (const code of ['EMFILE', 'ENFILE', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES']) {
      fail(key, withCode(code), 10);
    }
    fail(key, new KeylaneError('ERR_DNS', 'EAI_AGAIN'), 10);
    fail(key, new KeylaneError('ERR_INPUT', 'no such identity file'), 10);
    fail(key, new KeylaneError('ERR_CONNECT', 'nobody at the jump host', { key: 'bastion' }), 10);
    fail(key, new KeylaneError('ERR_AUTH', 'the jump host refused the log-in', { key: 'bastion' }), 10);
    expect([keys.refusal(key), events]).toEqual([undefined, []]);
    fail(key, withCode('ECONNREFUSED'), 3);
    expect(keys.refusal(key)?.code).toBe('ERR_BREAKER_OPEN');
  });

  test('a probe that ends without evidence is no ejection: the next try is the probe', () => {
    const { clock, keys, key, fail } = setUp();
    fail(key, SILENT, 3);
    clock.advance(10_000);
    fail(key, new KeylaneError('ERR_DNS'), 5);
    expect(keys.refusal(key)).toBeUndefined();
    fail(key, SILENT);
    expect(keys.refusal(key)?.retryAfterMs).toBe(20_000);
  });

  test('a host that answers, whatever it says, is one that can be connected to', () => {
    for (const answer of [
      REFUSED,
      new KeylaneError('ERR_HOST_KEY'),
      new KeylaneError('ERR_CONNECT', '', { retryable: false }),
    ]) {
      const { keys, key, fail } = setUp();
      fail(key, SILENT, 2);
      fail(key, answer);
      fail(key, SILENT, 2);
      expect(keys.refusal(key)).toBeUndefined();
    }
  });

  test('of tries that began before the key was stopped do not stop it for longer, and a success among them ends it', () => {
    const { events, keys, key, begin } = setUp();
    const crowd = Array.from({ length: 8 }, () => begin(key));
    for (const attempt of crowd.slice(0, 7)) keys.failed(key, attempt, SILENT);
    expect(keys.refusal(key)?.retryAfterMs).toBe(10_000);
    expect(events).toHaveLength(1);
    keys.succeeded(key);
    expect(keys.refusal(key)).toBeUndefined();
  });

  test('never stop a key where the breaker is off; log-ins that fail still do', () => {
    const { keys, key, fail } = setUp(false);
    fail(key, SILENT, 100);
    expect(keys.refusal(key)).toBeUndefined();
    fail(key, REFUSED, 2);
    expect(keys.refusal(key)?.code).toBe('ERR_AUTH');
  });
});

describe('log-ins that fail', () => {
  test('one stops nobody, two in a row stop the key for 30 s and no other', () => {
    const { clock, events, keys, key, fail } = setUp();
    fail(key, REFUSED);
    expect(keys.refusal(key)).toBeUndefined();
    fail(key, REFUSED);
    expect(keys.refusal(key)).toMatchObject({
      code: 'ERR_AUTH',
      outcome: 'not_started',
      retryable: false,
      key: 'host',
    });
    expect(keys.refusal(key)?.message).toContain('2 authentication failures in a row');
    expect(keys.refusal(keys.of('other'))).toBeUndefined();
    expect(events).toMatchObject([{ type: 'breaker_open', what: 'log_in', forMs: 30_000, failures: 2 }]);
    clock.advance(29_999);
    expect(keys.refusal(key)?.message).toContain('in 1 s');
    clock.advance(1);
    expect(keys.refusal(key)).toBeUndefined();
  });

  test('after the stop one log-in is tried; if it fails too, one more after another 30 s', () => {
    const { clock, keys, key, begin, fail } = setUp();
    fail(key, REFUSED, 2);
    for (let times = 3; times < 6; times++) {
      clock.advance(30_000);
      const probe = begin(key);
      expect(keys.refusal(key)).toMatchObject({ code: 'ERR_AUTH' });
      keys.failed(key, probe, REFUSED);
      expect(keys.refusal(key)?.message).toContain(`${times} authentication failures in a row`);
      expect(keys.refusal(key)?.message).toContain('in 30 s');
    }
    clock.advance(30_000);
    begin(key);
    keys.succeeded(key);
    expect(keys.refusal(key)).toBeUndefined();
  });

  test('a success between two failures starts the count anew', () => {
    const { keys, key, begin, fail } = setUp();
    fail(key, REFUSED);
    begin(key);
    keys.succeeded(key);
    fail(key, REFUSED);
    expect(keys.refusal(key)).toBeUndefined();
  });
});

describe('the memory of failures', () => {
  test('outlives the last lane, and ends five minutes after a try could have been made', () => {
    const { clock, events, keys, key, fail } = setUp();
    key.lanes = 1;
    fail(key, REFUSED, 2);
    keys.left(key);
    expect(keys.refusal(keys.of('host'))?.code).toBe('ERR_AUTH');
    clock.advance(330_020);
    expect([keys.size, clock.pending]).toEqual([0, 0]);
    expect(events.map(({ type }) => type)).toEqual(['breaker_open', 'breaker_closed']);
  });

  test('a probe that takes longer is waited for', () => {
    const { clock, keys, key, begin, fail } = setUp();
    fail(key, SILENT, 3);
    clock.advance(10_000);
    const probe = begin(key);
    clock.advance(400_000);
    expect(keys.refusal(key)?.code).toBe('ERR_BREAKER_OPEN');
    keys.failed(key, probe, SILENT);
    expect(keys.refusal(key)?.retryAfterMs).toBe(20_000);
  });

  test('keeps no timer after the stop', () => {
    const { clock, keys, key, fail } = setUp();
    fail(key, REFUSED);
    keys.stop();
    expect(clock.pending).toBe(0);
  });
});
