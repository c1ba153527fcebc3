import { expect, test } from 'vitest';
import type { EngineEvent } from '../../src/events.ts';
import { MemoryWatch } from '../../src/host/memory-watch.ts';
import { FakeClock } from '../support/fake-clock.ts';

const MIB = 1024 * 1024;

function setUp(limitMb: number) {
  const clock = new FakeClock();
  const held = { mb: 100 };
  const told: EngineEvent[] = [];
  const event = (one: EngineEvent) => told.push(one);
  const watch = new MemoryWatch(clock, { limitMb, event, rss: () => held.mb * MIB });
  return { clock, held, told, watch };
}

test('past the limit calls are refused, and below nine tenths of it they are taken again', () => {
  const { clock, held, told, watch } = setUp(200);
  expect(watch.refusal).toBeUndefined();
  held.mb = 201;
  clock.advance(250);
  expect(watch.refusal).toMatchObject({ code: 'ERR_SATURATED', retryable: true });
  expect(watch.refusal?.message).toContain('201 MiB, more than 200 (limits.rssMb)');
  held.mb = 181;
  clock.advance(1_000);
  expect(watch.refusal).toBeDefined();
  held.mb = 179;
  clock.advance(250);
  expect(watch.refusal).toBeUndefined();
  expect(told).toEqual([
    { type: 'memory_high', rssMb: 201, limitMb: 200 },
    { type: 'memory_well', rssMb: 179, limitMb: 200 },
  ]);
  watch.stop();
  expect(clock.pending).toBe(0);
});

test('without a limit nothing is looked at', () => {
  expect(setUp(0).clock.pending).toBe(0);
});
