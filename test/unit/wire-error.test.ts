import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode, KeylaneError } from '../../src/errors.ts';
import { encode } from '../../src/wire/codec.ts';
import { FrameReader } from '../../src/wire/frame-reader.ts';
import type { Reply } from '../../src/wire/protocol.ts';
import { asKeylaneError, fromWire, toWire, type WireError } from '../../src/wire/wire-error.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

/** As an error reply crosses the wall. */
function crossed(error: KeylaneError, key?: string): KeylaneError {
  const reply: Reply = {
    kind: 'error',
    slot: 0,
    id: 1,
    error: toWire(error),
    queuedUs: 0,
    openUs: 0,
    runUs: 0,
    reused: false,
  };
  let read: WireError | undefined;
  const never = () => {
    throw new Error('not expected');
  };
  for (const frame of encode<Reply>([reply], never)) {
    const other = (message: Reply) => {
      if (message.kind === 'error') read = message.error;
    };
    new FrameReader<Reply>().read(frame, { run: never, response: never, other });
  }
  return fromWire(read!, key);
}

function words(error: KeylaneError) {
  const { name, code, message, outcome, retryable } = error;
  return { name, code, message, outcome, retryable };
}

describe('an error that crosses the wall', () => {
  test.each(CODES)('%s arrives as it left, a KeylaneError', (code) => {
    const error = new KeylaneError(code, `about ${code}`);
    const arrived = crossed(error);
    expect(arrived).toBeInstanceOf(KeylaneError);
    expect(words(arrived)).toEqual(words(error));
    expect('cause' in arrived).toBe(false);
  });

  test('keeps an outcome and a retryability of its own', () => {
    const error = new KeylaneError('ERR_CONNECT', 'x', { outcome: 'unknown', retryable: true });
    expect(words(crossed(error))).toMatchObject({ outcome: 'unknown', retryable: true });
  });

  test('gets the key where it arrives', () => {
    const error = new KeylaneError('ERR_CONNECT', 'x', { key: 'theirs' });
    expect(crossed(error, 'ours').key).toBe('ours');
    expect(crossed(error).key).toBeUndefined();
  });

  test('keeps name, message and code of its cause', () => {
    const cause = Object.assign(new RangeError('too far'), { code: 'EFAR', secret: 'stays' });
    const arrived = crossed(new KeylaneError('ERR_CONNECT', 'x', { cause })).cause;
    expect(arrived).toBeInstanceOf(Error);
    expect(arrived).toMatchObject({ name: 'RangeError', message: 'too far', code: 'EFAR' });
    expect(arrived).not.toHaveProperty('secret');
  });

  test('has a cause without a code where the cause has none, or one that is no text', () => {
    for (const cause of [new Error('plain'), Object.assign(new Error('plain'), { code: 7 })]) {
      const arrived = crossed(new KeylaneError('ERR_CONNECT', 'x', { cause })).cause;
      expect(arrived).toMatchObject({ name: 'Error', message: 'plain' });
      expect(arrived).not.toHaveProperty('code');
    }
  });

  test('takes along a cause that is no error, as text', () => {
    for (const [cause, text] of [
      ['just text', 'just text'],
      [42, '42'],
      [null, 'null'],
    ]) {
      const arrived = crossed(new KeylaneError('ERR_CANCELED', 'x', { cause })).cause;
      expect(arrived).toMatchObject({ message: text });
    }
  });
});

describe('what a driver threw', () => {
  test('is left as it is if it is a KeylaneError', () => {
    const error = new KeylaneError('ERR_AUTH');
    expect(asKeylaneError(error, 'unknown')).toBe(error);
  });

  test('is ERR_PROTOCOL with the outcome that is known, and itself as the cause, if it is any other error', () => {
    const thrown = new TypeError('x is not a function');
    const error = asKeylaneError(thrown, 'not_started');
    expect(error).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'not_started', cause: thrown });
    expect(error.message).toContain('x is not a function');
    expect(asKeylaneError(thrown, 'unknown').outcome).toBe('unknown');
  });

  test('need not be an error', () => {
    for (const thrown of ['text', 7, undefined, null, Symbol('s'), { code: 'ERR_AUTH' }]) {
      expect(asKeylaneError(thrown, 'unknown')).toMatchObject({ code: 'ERR_PROTOCOL', outcome: 'unknown' });
    }
  });

  test('need not even have a text', () => {
    for (const thrown of [
      Object.create(null),
      {
        toString: () => {
          throw new Error('no');
        },
      },
    ]) {
      expect(asKeylaneError(thrown, 'unknown').code).toBe('ERR_PROTOCOL');
      expect(() => toWire(asKeylaneError(thrown, 'unknown'))).not.toThrow();
    }
  });

  test('speaks by its code if it comes from another copy of keylane', () => {
    const foreign = Object.assign(new Error('refused'), { code: 'ERR_AUTH', outcome: 'not_started', cause: 'why' });
    const error = asKeylaneError(foreign, 'unknown');
    expect(error).toBeInstanceOf(KeylaneError);
    expect(error).toMatchObject({ code: 'ERR_AUTH', message: 'refused', outcome: 'not_started', cause: 'why' });
  });

  test('has the outcome that is known if it says a code and no outcome', () => {
    const foreign = Object.assign(new Error('refused'), { code: 'ERR_CONNECT' });
    expect(asKeylaneError(foreign, 'unknown')).toMatchObject({
      code: 'ERR_CONNECT',
      outcome: 'unknown',
      retryable: false,
    });
  });

  test('is not taken at a word that is no code of ours', () => {
    for (const code of ['ECONNRESET', 'toString', '__proto__', 'ERR_NO_SUCH', 12]) {
      const thrown = Object.assign(new Error('x'), { code });
      expect(asKeylaneError(thrown, 'unknown')).toMatchObject({ code: 'ERR_PROTOCOL', cause: thrown });
    }
    const odd = Object.assign(new Error('x'), { code: 'ERR_AUTH', outcome: 'ok' });
    expect(asKeylaneError(odd, 'unknown').outcome).toBe('unknown');
  });
});
