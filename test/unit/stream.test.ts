import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Call, CallEvents } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { EngineStream } from '../../src/stream.ts';
import type { Result } from '../../src/types.ts';
import { deferred } from '../../src/util/deferred.ts';
import { PIECE_BYTES, WINDOW_BYTES } from '../../src/wire/credit.ts';
import { settled } from '../support/fake-clock.ts';
import { CountedCall } from '../support/fake-thread.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(() => {
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  await settled();
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

/** A stream and the shard's side of it. Its call is handed over at once, and dispatched when a test says so. */
function setUp({ handOver = Promise.resolve() } = {}) {
  const inputs: { data: Buffer; end: boolean }[] = [];
  const credits: number[] = [];
  let canceled = 0;
  let ended = 0;
  let call: CountedCall | undefined;
  const link = {
    input: (_call: unknown, data: Uint8Array, end: boolean) => inputs.push({ data: Buffer.from(data), end }),
    credit: (_call: unknown, bytes: number) => credits.push(bytes),
    cancel: () => canceled++,
    ended: (of: Call | undefined, error: KeylaneError | undefined) => {
      ended++;
      return { key: of?.key ?? '', outcome: error?.outcome ?? 'ok', ...(error && { error }) } as Result;
    },
  };
  const stream = new EngineStream<string>(link, async (events: CallEvents, checkWanted) => {
    await handOver;
    checkWanted();
    call = new CountedCall('a', null, events);
    return call;
  });
  const theCall = () => {
    if (!call) throw new Error('it was not handed over');
    return call;
  };
  return {
    stream,
    inputs,
    credits,
    canceled: () => canceled,
    ended: () => ended,
    call: () => call,
    dispatch: async () => {
      await settled();
      theCall().events.dispatched?.(theCall());
    },
    chunk: (text: string) => theCall().events.chunk?.({ channel: 'stdout', data: Buffer.from(text) }, theCall()),
    taken: (bytes: number) => theCall().events.taken?.(bytes),
    settle: (response: unknown, error?: KeylaneError) => theCall().settle(response, error),
    written: () => Buffer.concat(inputs.map(({ data }) => data)),
  };
}

async function readAll(stream: EngineStream<string>) {
  const chunks: string[] = [];
  try {
    for await (const { data } of stream) chunks.push(data.toString());
  } catch (error) {
    return { chunks, error };
  }
  return { chunks, error: undefined };
}

const isSettled = async (promise: Promise<unknown>) => {
  let is = false;
  void promise.then(() => {
    is = true;
  });
  await settled();
  return is;
};

describe('accepted', () => {
  test('it resolves when the call is handed over, whatever becomes of it', async () => {
    const { stream, settle } = setUp();
    await expect(stream.accepted).resolves.toBeUndefined();
    settle(undefined, new KeylaneError('ERR_CONNECTION_LOST'));
    await expect(stream.accepted).resolves.toBeUndefined();
  });

  test('it rejects with what keeps the call from being handed over', async () => {
    const closed = new KeylaneError('ERR_CLOSED');
    await expect(setUp({ handOver: Promise.reject(closed) }).stream.accepted).rejects.toBe(closed);
  });

  test('it rejects where the stream is called off before', async () => {
    const { stream } = setUp({ handOver: new Promise(() => {}) });
    stream.cancel();
    await expect(stream.accepted).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  });
});

describe('reading', () => {
  test('chunks come in order, those before the end included, and then the response', async () => {
    const { stream, dispatch, chunk, settle } = setUp();
    await dispatch();
    chunk('a');
    const read = readAll(stream);
    await settled();
    chunk('b');
    chunk('c');
    settle('done');
    expect(await read).toEqual({ chunks: ['a', 'b', 'c'], error: undefined });
    expect(await stream.response).toBe('done');
  });

  test('credit is given for what was read, when it is read', async () => {
    const { stream, dispatch, chunk, credits } = setUp();
    await dispatch();
    chunk('four');
    chunk('seven..');
    await settled();
    expect(credits).toEqual([]);
    await stream.next();
    expect(credits).toEqual([4]);
    await stream.next();
    expect(credits).toEqual([4, 7]);
  });

  test('an error comes at the end of the chunks and as the response', async () => {
    const { stream, dispatch, chunk, settle } = setUp();
    const lost = new KeylaneError('ERR_CONNECTION_LOST');
    await dispatch();
    chunk('a');
    settle(undefined, lost);
    expect(await readAll(stream)).toEqual({ chunks: ['a'], error: lost });
    await expect(stream.response).rejects.toBe(lost);
  });

  test('an error that nobody reads is no unhandled rejection', async () => {
    const { dispatch, settle } = setUp();
    await dispatch();
    settle(undefined, new KeylaneError('ERR_CONNECTION_LOST'));
  });

  test('what keeps it from being handed over is told in both places', async () => {
    const closed = new KeylaneError('ERR_CLOSED');
    const { stream } = setUp({ handOver: Promise.reject(closed) });
    expect(await readAll(stream)).toEqual({ chunks: [], error: closed });
    await expect(stream.response).rejects.toBe(closed);
    await expect(stream.write('late')).resolves.toBeUndefined();
  });
});

describe('calling off', () => {
  test('leaving the loop cancels the request and waits until it is settled', async () => {
    const { stream, dispatch, chunk, settle, canceled } = setUp();
    await dispatch();
    chunk('a');
    const left = (async () => {
      for await (const _ of stream) break;
    })();
    expect(await isSettled(left)).toBe(false);
    expect(canceled()).toBe(1);
    settle(undefined, new KeylaneError('ERR_CANCELED'));
    await left;
  });

  test('its result never rejects, and is told once', async () => {
    const { stream, dispatch, settle, ended } = setUp();
    const early = stream.result;
    await dispatch();
    settle(undefined, new KeylaneError('ERR_CONNECTION_LOST'));
    settle('yes');
    expect(await early).toMatchObject({ key: 'a', outcome: 'unknown', error: { code: 'ERR_CONNECTION_LOST' } });
    expect(await stream.result).toBe(await early);
    expect(ended()).toBe(1);
    const other = setUp();
    other.stream.cancel();
    expect(await other.stream.result).toMatchObject({ key: '', outcome: 'canceled' });
  });

  test('canceled before it is handed over, it never is', async () => {
    const gate = deferred<void>();
    const { stream, call } = setUp({ handOver: gate.promise });
    stream.cancel();
    gate.resolve();
    await expect(stream.response).rejects.toMatchObject({ code: 'ERR_CANCELED', outcome: 'canceled' });
    await settled();
    expect(call()).toBeUndefined();
  });

  test('canceled after the end, it cancels nothing', async () => {
    const { stream, dispatch, settle, canceled } = setUp();
    await dispatch();
    settle('done');
    stream.cancel();
    await stream.return();
    expect(canceled()).toBe(0);
    expect(await stream.response).toBe('done');
  });
});

describe('writing', () => {
  test('what is written before the dispatch is sent after it, in order, with the end last', async () => {
    const { stream, dispatch, inputs } = setUp();
    void stream.write('a');
    void stream.write(Buffer.from('b'));
    stream.end('c');
    await settled();
    expect(inputs).toEqual([]);
    await dispatch();
    expect(inputs.map(({ data, end }) => [data.toString(), end])).toEqual([
      ['a', false],
      ['b', false],
      ['c', false],
      ['', true],
    ]);
  });

  test('the buffer may be used again at once', async () => {
    const { stream, dispatch, written } = setUp();
    const buffer = Buffer.from('before');
    void stream.write(buffer);
    buffer.fill('x');
    await dispatch();
    expect(written().toString()).toBe('before');
  });

  test('a large write goes in pieces, up to the window, and on when the shard has taken some', async () => {
    const { stream, dispatch, inputs, taken, written } = setUp();
    await dispatch();
    const bytes = Buffer.alloc(2 * WINDOW_BYTES, 'abc');
    const room = stream.write(bytes);
    stream.end();
    expect(written()).toHaveLength(WINDOW_BYTES);
    expect(Math.max(...inputs.map(({ data }) => data.length))).toBe(PIECE_BYTES);
    expect(await isSettled(room)).toBe(false);
    taken(WINDOW_BYTES);
    await settled();
    expect(written().equals(bytes)).toBe(true);
    // All has left, but the window is full again: the end waits for room, as a piece would.
    taken(WINDOW_BYTES);
    await room;
    expect(inputs.filter(({ end }) => end)).toHaveLength(1);
    expect(inputs.at(-1)?.end).toBe(true);
  });

  test('a write after the end throws ERR_INPUT; a second end does nothing', async () => {
    const { stream, dispatch, inputs } = setUp();
    await dispatch();
    stream.end();
    stream.end();
    expect(() => stream.write('late')).toThrow(expect.objectContaining({ code: 'ERR_INPUT' }));
    expect(inputs).toHaveLength(1);
  });

  test('past 16 MiB that wait a write throws ERR_SATURATED, and takes nothing', async () => {
    const { stream, dispatch, taken, written } = setUp();
    const piece = Buffer.alloc(4 * 1024 * 1024, 'x');
    for (let i = 0; i < 4; i++) void stream.write(piece);
    expect(() => stream.write('x')).toThrow(expect.objectContaining({ code: 'ERR_SATURATED', outcome: 'not_started' }));
    await dispatch();
    taken(17 * 1024 * 1024);
    await settled();
    expect(written()).toHaveLength(16 * 1024 * 1024);
    await expect(stream.write('x')).resolves.toBeUndefined();
  });

  test('one write may be larger than 16 MiB while nothing waits', async () => {
    const { stream, dispatch, settle } = setUp();
    await dispatch();
    const room = stream.write(Buffer.alloc(17 * 1024 * 1024));
    settle('done');
    await room;
  });

  test('the end of the request lets go of who waits to write, and drops what waits', async () => {
    const { stream, dispatch, settle, written } = setUp();
    await dispatch();
    const room = stream.write(Buffer.alloc(3 * WINDOW_BYTES));
    settle(undefined, new KeylaneError('ERR_CONNECTION_LOST'));
    await room;
    await expect(stream.write('more')).resolves.toBeUndefined();
    expect(written()).toHaveLength(WINDOW_BYTES);
  });
});
