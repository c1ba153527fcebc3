import { expect, test } from 'vitest';
import type { ExecuteContext } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import { Kept } from '../../../src/util/kept.js';
import { Live } from '../../../workers/drivers/ssh/live.js';
import { Pressure } from '../../../workers/drivers/ssh/pressure.js';
import { seeded } from '../../support/seed.js';

test('output of pieces of any size comes in their order, up to the limit', () => {
  const random = seeded();
  const pieces = Array.from({ length: 3_000 }, () => {
    const length = random.pick([1, 3, 100, 1_023, 1_024, 5_000]);
    return Buffer.from(Array.from({ length }, () => random.below(256)));
  });
  const whole = Buffer.concat(pieces);
  for (const limit of [0, 1, 40_000, whole.length - 1, whole.length]) {
    const output = new Kept(limit);
    for (const piece of pieces) output.add(piece);
    expect((output.read('buffer') as Buffer).equals(whole.subarray(0, limit))).toBe(true);
    expect(output.truncated).toBe(limit < whole.length);
  }
});

test('a MiB of single bytes is kept in not much more than a MiB', () => {
  const byte = Buffer.from('x');
  const output = new Kept(1 << 20);
  const before = process.memoryUsage();
  for (let i = 0; i < 1 << 20; i++) output.add(byte);
  const after = process.memoryUsage();
  const cost = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
  expect(cost).toBeLessThan(24 << 20);
  expect(output.read('utf8')).toHaveLength(1 << 20);
});

/** A reader that takes the first piece and rests until it is told to read on. */
function resting() {
  const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const gate = deferred<void>();
  let calls = 0;
  const chunk = (channel: 'stdout' | 'stderr', data: Buffer) => {
    got[channel].push(Buffer.from(data));
    return calls++ === 0 ? gate.promise : undefined;
  };
  const live = new Live(
    { chunk } as unknown as ExecuteContext,
    () => {},
    () => {},
  );
  return { live, got, readOn: gate.resolve, calls: () => calls };
}

test.each([1, 2, 7])('what waits for a reader is joined, and comes whole on each channel (every %i)', async (every) => {
  const { live, got, readOn, calls } = resting();
  const sent = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for (let i = 0; i < 20_000; i++) {
    const channel = Math.floor(i / every) % 2 === 0 ? 'stdout' : 'stderr';
    const data = Buffer.from([i & 255]);
    sent[channel].push(data);
    live.add(channel, data);
  }
  readOn();
  await new Promise<void>((resolve) => (live.behind ? live.drained(resolve) : resolve()));
  expect(Buffer.concat(got.stdout).equals(Buffer.concat(sent.stdout))).toBe(true);
  expect(Buffer.concat(got.stderr).equals(Buffer.concat(sent.stderr))).toBe(true);
  expect(calls()).toBeLessThan(1_100);
});

test('who writes without end waits while a MiB waits for the socket, or keys are being exchanged', () => {
  const listeners: Record<string, () => void> = {};
  const on = (name: string, call: () => void) => {
    listeners[name] = call;
  };
  const protocol: { _kexinit?: Buffer } = {};
  const socket = { on, writableLength: 0 };
  const pressure = new Pressure({ on, _protocol: protocol } as never, socket as never);
  let calls = 0;
  const waits = () => pressure.tooMuch(() => calls++);
  expect(waits()).toBe(false);
  socket.writableLength = (1 << 20) + 1;
  expect(waits()).toBe(true);
  protocol._kexinit = Buffer.alloc(0);
  socket.writableLength = 0;
  listeners.drain?.();
  expect([waits(), calls]).toEqual([true, 0]);
  delete protocol._kexinit;
  listeners.handshake?.();
  listeners.drain?.();
  expect([waits(), calls]).toEqual([false, 2]);
});
