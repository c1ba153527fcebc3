import { describe, expect, test } from 'vitest';
import type { BatchOptions } from '../../../src/batch-options.ts';
import { ERRORS, type ErrorCode, KeylaneError } from '../../../src/errors.ts';
import { settled } from '../../support/fake-clock.ts';
import { type FakeHost, lost, readAll, refused, setUp } from '../../support/fake-host.ts';

/** What a person can only mend, or has answered: never tried again, whatever is declared. */
const NEVER: ErrorCode[] = [
  'ERR_AUTH',
  'ERR_AUTH_EXPIRED',
  'ERR_CANCELED',
  'ERR_CONFIG',
  'ERR_HOST_KEY',
  'ERR_INPUT',
  'ERR_PASSPHRASE',
  'ERR_STOPPED',
  'ERR_STORE_FULL',
  'ERR_SUDO',
];

/** Answers a request with the same error until there is nothing to answer any more; gives its result. */
async function outcomeOf(error: () => KeylaneError, options: BatchOptions<string>) {
  const { host, batch } = setUp(['a'], { attempts: 4, timeoutMs: 0, ...options });
  const read = readAll(batch);
  for (;;) {
    await settled();
    if (host.calls.length > 0) host.settle(host.calls[0]!, undefined, error());
    else if (host.clock.nextAt === undefined) break;
    else host.clock.advance(host.clock.nextAt - host.clock.now());
    await settled();
  }
  const { results } = await read;
  return results[0]!;
}

async function answered(host: FakeHost, key: string, ...answers: (KeylaneError | string)[]): Promise<void> {
  for (const answer of answers) {
    await host.clock.advanceSettling(60_000);
    if (typeof answer === 'string') await host.answer(key, answer);
    else await host.answer(key, undefined, answer);
  }
}

describe('what is tried again', () => {
  test('a peer that said no is never asked again: an exit code is an answer', async () => {
    const { host, batch } = setUp(['a'], { attempts: 5, idempotent: true });
    const read = readAll(batch);
    await host.answer('a', 'no');
    const { results } = await read;
    expect(results[0]).toMatchObject({ outcome: 'failed', attempts: 1, history: [] });
    expect(host.submitted).toBe(1);
  });

  test.each([false, true])(
    'of every code, where idempotent is %s: what may pass and did not reach the peer',
    async (idempotent) => {
      for (const code of Object.keys(ERRORS) as ErrorCode[]) {
        for (const outcome of ['not_started', 'unknown'] as const) {
          const error = () => new KeylaneError(code, undefined, { outcome });
          const result = await outcomeOf(error, { idempotent });
          const isTried = error().retryable || (idempotent && outcome === 'unknown');
          expect([code, outcome, result.attempts, result.history.length]).toEqual([
            code,
            outcome,
            isTried ? 4 : 1,
            isTried ? 3 : 0,
          ]);
          if (NEVER.includes(code) && outcome === 'not_started') expect(isTried, code).toBe(false);
        }
      }
    },
  );

  test('a wrong key and a wrong password are not, by what they are', async () => {
    for (const code of NEVER) {
      const result = await outcomeOf(() => new KeylaneError(code), { idempotent: true });
      expect([code, result.attempts]).toEqual([code, 1]);
    }
  });

  test('what may have run is, where it is declared harmless, and only there', async () => {
    for (const [idempotent, attempts] of [
      [false, 1],
      [true, 4],
    ] as const) {
      const result = await outcomeOf(lost, { idempotent });
      expect(result).toMatchObject({ outcome: 'unknown', attempts });
    }
  });

  test('each job by what it says for itself', async () => {
    const own: Record<string, object> = { a: { idempotent: true }, b: {}, c: { attempts: 1 }, d: { attempts: 5 } };
    const { host, batch } = setUp(Object.keys(own), { attempts: 3, timeoutMs: 0, each: (request) => own[request]! });
    const read = readAll(batch);
    await answered(host, 'a', lost(), lost(), 'yes');
    await answered(host, 'b', lost());
    await answered(host, 'c', refused());
    await answered(host, 'd', refused(), refused(), refused(), refused(), 'yes');
    const { results } = await read;
    const told = results.map(({ request, outcome, attempts, history }) => [request, outcome, attempts, history.length]);
    expect(told.sort()).toEqual([
      ['a', 'ok', 3, 2],
      ['b', 'unknown', 1, 0],
      ['c', 'not_started', 1, 0],
      ['d', 'ok', 5, 4],
    ]);
  });

  test('the history has each try before the last, with its outcome, code and message', async () => {
    const { host, batch } = setUp(['a'], { attempts: 4, idempotent: true, timeoutMs: 0 });
    const read = readAll(batch);
    const busy = new KeylaneError('ERR_SATURATED', 'too many wait');
    await answered(host, 'a', new KeylaneError('ERR_CONNECT', 'refused'), lost(), busy, 'no');
    const { results } = await read;
    expect(results[0]).toMatchObject({ outcome: 'failed', response: 'no', attempts: 4 });
    expect(results[0]?.history).toEqual([
      { outcome: 'not_started', code: 'ERR_CONNECT', message: 'refused' },
      { outcome: 'unknown', code: 'ERR_CONNECTION_LOST', message: lost().message },
      { outcome: 'not_started', code: 'ERR_SATURATED', message: 'too many wait' },
    ]);
  });
});
