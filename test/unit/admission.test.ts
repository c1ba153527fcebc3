import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Admission } from '../../src/admission.ts';
import { Call } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { SEED } from '../support/seed.ts';
import { type SharedBounds, sharedWith } from '../support/shared.ts';

function callOf(key: string, priority = 0): Call {
  const how = { mode: 'once' as const, priority, deadline: Number.POSITIVE_INFINITY, now: 0 };
  return new Call('echo', { key, lane: key, target: null, request: null }, how, { settled() {} });
}

function setup(bounds: Partial<SharedBounds> = {}) {
  const sent: Call[] = [];
  const shared = sharedWith({ inFlight: 10, ...bounds });
  const admission = new Admission(shared, (call) => sent.push(call));
  admission.open();
  const submit = (key: string, priority = 0, bounded = true): Call => {
    const call = callOf(key, priority);
    admission.submit(call, bounded);
    return call;
  };
  return { admission, total: shared.total, sent, submit };
}

/** Turns (calls that end, one after the other) until all calls of the nine keys are over. */
function turnsOfNine(withLoud: boolean): number {
  const { admission, sent, submit } = setup();
  if (withLoud) for (let i = 0; i < 10_000; i++) submit('loud');
  for (let i = 0; i < 10; i++) for (let key = 0; key < 9; key++) submit(`quiet-${key}`);
  let left = 90;
  for (let turn = 0; ; turn++) {
    const call = sent[turn]!;
    admission.freed(call);
    if (call.key !== 'loud' && --left === 0) return turn + 1;
  }
}

test('nine keys with 10 calls each beside one with 10,000 need at most twice the turns that they need alone', () => {
  expect(turnsOfNine(true)).toBeLessThanOrEqual(2 * turnsOfNine(false));
});

test('within a key the higher priority goes first, then what came first', () => {
  const { admission, sent, submit } = setup({ inFlight: 1 });
  const running = submit('k');
  const [a, b, c, d] = [submit('k', 0), submit('k', 5), submit('k', 0), submit('k', 5)];
  for (let i = 0; i < 5; i++) admission.freed(sent[i]!);
  expect(sent).toEqual([running, b, d, a, c]);
});

test('a key has at most its share, and never more than half of the total', () => {
  for (const [inFlightPerKey, share] of [
    [3, 3],
    [1_000, 5],
  ] as const) {
    const { admission, sent, submit } = setup({ inFlightPerKey });
    for (let i = 0; i < 20; i++) submit('slow');
    expect([sent.length, admission.queued]).toEqual([share, 20 - share]);
    const other = submit('other');
    expect(sent.at(-1)).toBe(other);
    admission.freed(sent[0]!);
    expect([sent.length, sent.at(-1)!.key]).toEqual([share + 2, 'slow']);
  }
});

test('past the bound of a key, and of all keys, a call is refused, unless it is not bounded', () => {
  const { admission, submit } = setup({ inFlight: 1, queuedPerKey: 2, queued: 3 });
  for (let i = 0; i < 3; i++) submit('a');
  expect(() => submit('a')).toThrow(expect.objectContaining({ code: 'ERR_SATURATED', retryable: true }));
  expect(() => submit('a')).toThrow('limits.queuedPerKey');
  submit('b');
  expect(() => submit('c')).toThrow('maxQueued');
  expect(admission.queued).toBe(3);
  submit('a', 0, false);
  submit('c', 0, false);
  expect(admission.queued).toBe(5);
});

test('an abandoned call is never sent, and leaves its place to others', () => {
  const { admission, total, sent, submit } = setup({ inFlight: 1 });
  const first = submit('a');
  const gone = submit('a');
  const next = submit('b');
  admission.abandon(gone);
  admission.abandon(gone);
  expect([admission.queued, total.queued]).toEqual([1, 1]);
  admission.freed(first);
  expect(sent).toEqual([first, next]);
});

test('while it is paused what comes waits, and goes in order when it opens', () => {
  const { admission, sent, submit } = setup();
  admission.pause();
  const calls = ['a', 'b', 'c'].map((key) => submit(key));
  expect(sent).toEqual([]);
  expect([...admission.calls()]).toEqual(calls);
  admission.open();
  expect(sent).toEqual(calls);
});

test('a refusal hands back what waits, once each, and refuses what comes until it opens', () => {
  const { admission, total, sent, submit } = setup();
  admission.pause();
  const calls = ['a', 'b', 'a'].map((key) => submit(key));
  const error = new KeylaneError('ERR_SHARD_UNAVAILABLE');
  const back: Call[] = [];
  admission.refuse(error, (call) => back.push(call));
  expect(new Set(back)).toEqual(new Set(calls));
  expect(back).toHaveLength(3);
  expect([admission.queued, total.queued]).toEqual([0, 0]);
  expect(() => submit('a')).toThrow(error);
  admission.open();
  const later = submit('a');
  expect(sent).toEqual([later]);
});

test('the books balance after any operations, and every call is sent, waits or was let go', () => {
  const act = fc.tuple(
    fc.constantFrom('submit', 'free', 'abandon', 'pause', 'open'),
    fc.nat(4),
    fc.integer({ min: -10, max: 10 }),
  );
  const property = fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
    const { admission, total, sent, submit } = setup({ inFlight: 4, inFlightPerKey: 2, queuedPerKey: 6, queued: 12 });
    const calls: Call[] = [];
    let [freed, gone] = [0, 0];
    for (const [what, pick, priority] of acts) {
      if (what === 'submit') {
        try {
          calls.push(submit(`k${pick}`, priority));
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SATURATED' });
        }
      } else if (what === 'free' && freed < sent.length) admission.freed(sent[freed++]!);
      else if (what === 'abandon') {
        const queued = calls.filter((call) => call.isQueued)[pick];
        if (queued) {
          admission.abandon(queued);
          gone++;
        }
      } else if (what === 'pause' || what === 'open') admission[what]();
      expect(admission.inFlight).toBe(sent.length - freed);
      expect(admission.inFlight).toBeLessThanOrEqual(4);
      expect([...admission.calls()]).toHaveLength(admission.queued);
      expect(total.queued).toBe(admission.queued);
      expect(sent.length + admission.queued + gone).toBe(calls.length);
    }
    admission.open();
    while (freed < sent.length) admission.freed(sent[freed++]!);
    expect([admission.inFlight, admission.queued, sent.length + gone]).toEqual([0, 0, calls.length]);
  });
  fc.assert(property, { seed: SEED });
});
