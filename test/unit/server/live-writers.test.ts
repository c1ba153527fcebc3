import { EventEmitter } from 'node:events';
import type { FastifyReply } from 'fastify';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { LiveWriters } from '../../../src/server/live-writers.js';
import { FakeClock } from '../../support/fake-clock.js';

const MIB = 1024 * 1024;

/** A response whose reader takes nothing until `read`. */
class FakeRaw extends EventEmitter {
  text = '';
  writableLength = 0;
  closed = false;
  isEnded = false;
  isReading = true;
  head: Record<string, string> = {};
  socket = { remoteAddress: '127.0.0.9' };
  writeHead(_status: number, head: Record<string, string>): void {
    this.head = head;
  }
  flushHeaders(): void {}
  write(data: string | Buffer): boolean {
    this.text += data.toString();
    if (!this.isReading) this.writableLength += data.length;
    return this.writableLength < 16_384;
  }
  end(data?: string): void {
    this.isEnded = true;
    this.text += data ?? '';
  }
  read(): void {
    this.writableLength = 0;
    this.emit('drain');
  }
  destroy(): void {
    this.close();
  }
  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

function start() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const live = new LiveWriters(clock, pino({ level: 'silent' }), stop.signal);
  const reply = () => {
    const raw = new FakeRaw();
    const hijacked = { raw, hijack: () => {}, getHeaders: () => ({ 'x-earlier': 'kept' }) } as unknown as FastifyReply;
    return { raw, reply: hijacked };
  };
  return { clock, stop, live, reply };
}

test('an event has its name, its id and each line of its data; a line has the data alone', () => {
  const { live, reply } = start();
  const events = reply();
  live.events(events.reply).event('result', '{"a":1}', '7');
  const plain = reply();
  live.events(plain.reply).event(undefined, 'one\r\ntwo\nthree\rfour');
  const lines = reply();
  live.lines(lines.reply).event('result', '{"a":1}', '7');
  expect(events.raw.text).toBe('id: 7\nevent: result\ndata: {"a":1}\n\n');
  expect(plain.raw.text).toBe('data: one\ndata: two\ndata: three\ndata: four\n\n');
  expect(lines.raw.text).toBe('{"a":1}\n');
});

test('the head says what comes, that nobody may keep it or hold it back, and what hooks had to say', () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  live.events(to);
  expect(raw.head).toEqual({
    'x-earlier': 'kept',
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
});

test('each of a hundred readers hears something within 15 s, with one timer for all; with none there is no timer', () => {
  const { clock, live, reply } = start();
  expect(clock.pending).toBe(0);
  const open = Array.from({ length: 100 }, () => reply());
  for (const [at, one] of open.entries()) at % 2 ? live.events(one.reply) : live.lines(one.reply);
  clock.advance(14_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(open.map(({ raw }) => raw.text)).toEqual(open.map((_, at) => (at % 2 ? ':\n\n' : '\n')));
  for (const { raw } of open) raw.close();
  expect(clock.pending).toBe(0);
  expect(live.counts).toEqual({ open: 0, opened: 100, dropped: 0 });
});

test('a reader who takes nothing is dropped before 1 MiB lies here for him, and counted', async () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.events(to);
  const { signal, closed } = writer;
  raw.isReading = false;
  const data = 'é'.repeat(500);
  let most = 0;
  while (writer.event(undefined, data)) most = Math.max(most, raw.writableLength);
  expect(most).toBeLessThanOrEqual(MIB);
  expect(most).toBeGreaterThan(MIB - 2_000);
  await closed;
  expect(signal.aborted).toBe(true);
  expect(writer.isOpen).toBe(false);
  expect(live.counts).toEqual({ open: 0, opened: 1, dropped: 1 });
});

test('one event that is larger than the bound reaches a reader who has taken all before it', () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.events(to);
  expect(writer.event(undefined, 'x'.repeat(2 * MIB))).toBe(true);
  raw.isReading = false;
  expect(writer.event(undefined, 'x'.repeat(2 * MIB))).toBe(true);
  expect(writer.event(undefined, 'x')).toBe(false);
  expect(live.counts.dropped).toBe(1);
});

test('a source that can wait goes on when the reader has read, or has gone', async () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.lines(to);
  expect(writer.deliver(undefined, 'x'.repeat(100_000))).toBe(undefined);
  raw.isReading = false;
  const full = writer.deliver(undefined, 'x'.repeat(100_000));
  expect(full).toBeInstanceOf(Promise);
  raw.read();
  await full;
  const again = writer.deliver(undefined, 'x'.repeat(2 * MIB));
  raw.close();
  await again;
  expect(writer.deliver(undefined, 'x')).toBe(undefined);
  expect(live.counts.dropped).toBe(0);
});

test('who asks after a reader has gone is told at once', async () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.lines(to);
  raw.close();
  expect(writer.signal.aborted).toBe(true);
  await writer.closed;
  const gone = reply();
  gone.raw.closed = true;
  await live.lines(gone.reply).closed;
  expect(live.counts.open).toBe(0);
});

test('an answer that has ended calls nothing off', async () => {
  const { live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.lines(to);
  const { signal } = writer;
  writer.end('result', '{}');
  expect(raw).toMatchObject({ isEnded: true, text: '{}\n' });
  raw.close();
  await writer.closed;
  expect(signal.aborted).toBe(false);
});

test('what has no end of its own ends with the service, the others go on', () => {
  const { live, reply, stop } = start();
  const [endless, ending, late] = [reply(), reply(), reply()];
  live.events(endless.reply, { endless: true });
  live.events(ending.reply);
  stop.abort();
  live.events(late.reply, { endless: true });
  expect([endless, ending, late].map(({ raw }) => raw.isEnded)).toEqual([true, false, true]);
});

test('one that is watched hears something twice a second, as long as it is open', () => {
  const { clock, live, reply } = start();
  const { raw, reply: to } = reply();
  const writer = live.lines(to);
  live.watch(writer, true);
  clock.advance(2_000);
  expect(raw.text.length).toBeGreaterThanOrEqual(4);
  live.watch(writer, false);
  const { length } = raw.text;
  clock.advance(2_000);
  expect(raw.text.length).toBeLessThanOrEqual(length + 1);
  raw.close();
  live.watch(writer, true);
  expect(clock.pending).toBe(0);
});
