import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { FLOOD, PUPPET } from '../support/drivers/own.js';
import { failure, startEngine, until, verdict } from '../support/engine.js';

const MIB = 1024 * 1024;

/** Lets the threads move what they will. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('1 GiB to a slow reader come whole, with at most 64 MiB more memory (W6)', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  // What the two heaps take for themselves is not of this stream.
  for await (const _ of engine.stream('flood', { key: 'a', bytes: 64 * MIB }));
  const bytes = 1024 * MIB;
  const stream = engine.stream('flood', { key: 'a', bytes });
  const hash = createHash('sha256');
  const before = process.memoryUsage.rss();
  let most = 0;
  let count = 0;
  for await (const { data } of stream) {
    hash.update(data);
    count += data.length;
    if (count % (8 * MIB) === 0) await turns(50);
    most = Math.max(most, process.memoryUsage.rss());
  }
  expect(count).toBe(bytes);
  expect(hash.digest('hex')).toBe((await stream.response).sha256);
  expect(most - before).toBeLessThan(64 * MIB);
});

test('a reader that does not read stops the driver after 1 MiB and one piece', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const stream = engine.stream('flood', { key: 'a', bytes: 64 * MIB });
  const first = await stream.next();
  expect(first.done).toBe(false);
  await engine.run('echo', { key: 'a', delayMs: 100 });
  const before = process.memoryUsage().arrayBuffers;
  await engine.run('echo', { key: 'a', delayMs: 100 });
  // What came meanwhile is all that will: nothing grows while nobody reads.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  let unread = 0;
  stream.cancel();
  try {
    for await (const { data } of stream) unread += data.length;
  } catch {}
  expect(unread).toBeLessThanOrEqual(MIB + 64 * 1024);
  expect(await verdict(stream.response)).toBe('ERR_CANCELED canceled');
});

test('64 MiB to a slow driver: what is written waits for room, and comes whole', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const stream = engine.stream('flood', { key: 'a', sink: true });
  const hash = createHash('sha256');
  const piece = Buffer.alloc(MIB);
  for (let i = 0; i < 64; i++) {
    piece.fill(i);
    hash.update(piece);
    // The same buffer again and again: what is written belongs to the stream.
    await stream.write(piece);
  }
  stream.end();
  expect(await stream.response).toEqual({ bytes: 64 * MIB, sha256: hash.digest('hex') });
});

test('a buffer that is changed after write is sent as it was', async () => {
  const engine = await startEngine();
  const stream = engine.stream('echo', { key: 'a' });
  const buffer = Buffer.from('before');
  void stream.write(buffer);
  buffer.fill('x');
  stream.end(' and after');
  let text = '';
  for await (const { data } of stream) text += data;
  expect(text).toBe('before and after');
});

test('one write may be larger than what may wait; a second one is refused until it has gone', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const stream = engine.stream('flood', { key: 'a', sink: true });
  const written = stream.write(Buffer.alloc(20 * MIB));
  expect(() => stream.write('x')).toThrow('wait to be written already');
  await written;
  await stream.write('x');
  stream.end();
  expect(() => stream.write('x')).toThrow('write after end');
  expect((await stream.response).bytes).toBe(20 * MIB + 1);
});

test('both ways at once: what is written is said back, in order', async () => {
  const engine = await startEngine();
  const stream = engine.stream('echo', { key: 'a', payload: 'hello ' });
  const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}\n`);
  const writing = (async () => {
    for (const line of lines) await stream.write(line);
    stream.end();
  })();
  let text = '';
  for await (const { channel, data } of stream) {
    expect(channel).toBe('message');
    text += data.toString();
  }
  await writing;
  expect(text).toBe(`hello ${lines.join('')}`);
});

test('leaving the loop cancels the request, and nothing of it stays', async () => {
  const engine = await startEngine({ drivers: [FLOOD] });
  const stream = engine.stream('flood', { key: 'a', bytes: 1024 * MIB });
  for await (const _ of stream) break;
  expect(await verdict(stream.response)).toBe('ERR_CANCELED canceled');
  await until(async () => (await engine.stats()).shards[0]?.inside?.requests === 0);
  await stream.write('to nobody');
});

test('a stream can be called off while it waits, and while it is prepared', async () => {
  const resolveNever = new URL('../support/drivers/bad/resolve-never.mjs', import.meta.url);
  const engine = await startEngine({ drivers: [PUPPET, resolveNever], maxInFlight: 1 });
  const held = engine.stream('puppet', { key: 'a', run: 'hang' });
  await until(async () => (await engine.stats()).inFlight === 1);
  for (const driver of ['puppet', 'resolve-never'] as 'puppet'[]) {
    const waiting = engine.stream(driver, { key: 'a' });
    waiting.cancel();
    expect(await verdict(waiting.response)).toBe('ERR_CANCELED canceled');
    const left = engine.stream(driver, { key: 'a' });
    await left.return();
    expect(await verdict(left.response)).toBe('ERR_CANCELED canceled');
  }
  expect((await engine.stats()).queued).toBe(0);
  held.cancel();
  expect(await verdict(held.response)).toBe('ERR_CANCELED canceled');
});

test('an error comes to the reader and to the response', async () => {
  const engine = await startEngine();
  const stream = engine.stream('echo', { key: 'a', fault: 'ERR_CONNECTION_LOST' });
  expect((await failure(stream.next())).code).toBe('ERR_CONNECTION_LOST');
  expect(await verdict(stream.response)).toBe('ERR_CONNECTION_LOST unknown');
});

test('a stream of a shard that dies ends as unknown, for its reader and its writers', async () => {
  const engine = await startEngine({ drivers: [FLOOD, PUPPET] });
  const stream = engine.stream('puppet', { key: 'a', run: 'hang' });
  const writing = (async () => {
    for (let i = 0; i < 8; i++) await stream.write(Buffer.alloc(MIB));
  })();
  await until(async () => (await engine.run('puppet', { key: 'a', run: 'seen' })).seen?.runningNow === 1);
  const next = verdict(stream.next());
  await engine.destroy();
  expect(await next).toBe('ERR_CLOSED unknown');
  await writing;
});
