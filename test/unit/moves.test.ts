import { expect, test } from 'vitest';
import type { EngineEvent } from '../../src/events.ts';
import { Blame } from '../../src/host/blame.ts';
import { Supervisor } from '../../src/host/supervisor.ts';
import { Moves } from '../../src/moves.ts';
import { resolveOptions } from '../../src/options.ts';
import { shardOf } from '../../src/routing.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { CountedCall, type FakeThread, FakeThreads } from '../support/fake-thread.ts';
import { Random, SEED, seeded, seedsOf } from '../support/seed.ts';
import { sharedWith } from '../support/shared.ts';

const SHARDS = 3;

function setUp({ serve = true } = {}) {
  const clock = new FakeClock();
  const threads = new FakeThreads();
  const events: EngineEvent[] = [];
  const shared = sharedWith({ inFlight: 30, queuedPerKey: 100, queued: 1_000 });
  const all: Supervisor[] = [];
  const moves = new Moves(all, (event) => events.push(event));
  /** Threads of each shard, the last one last. */
  const ofShard: FakeThread[][] = [];
  for (let shard = 0; shard < SHARDS; shard++) {
    const own: FakeThread[] = [];
    ofShard.push(own);
    const supervisor = new Supervisor({
      shard,
      clock,
      random: () => 1,
      startThread: (task) => {
        own.push(threads.start(task) as FakeThread);
        return own.at(-1) as FakeThread;
      },
      limits: resolveOptions().limits,
      shared,
      drivers: {},
      heapMb: 0,
      shardBlockedMs: 10_000,
      blame: new Blame(clock, () => {}),
      ask: () => Promise.resolve(null),
      event: (event) => event.type === 'shard_degraded' && moves.leave(event.shard),
      freed: () => {},
    });
    all.push(supervisor);
    if (serve) own[0]?.ready();
  }
  const calls: CountedCall[] = [];
  const submit = (key: string) => {
    const call = new CountedCall(key);
    calls.push(call);
    try {
      moves.ownerOf(key).admission.submit(call, true);
    } catch (error) {
      call.settle(undefined, error as never);
    }
    return call;
  };
  const last = (shard: number) => ofShard[shard]?.at(-1) as FakeThread;
  return { clock, threads, all, moves, events, submit, last, ofShard, calls };
}

const KEY = 'a';
const HOME = shardOf(KEY, SHARDS);
const AWAY = (HOME + 1) % SHARDS;
const keysOf = (thread: FakeThread) => thread.runs.map(({ key }) => key);

function release(thread: FakeThread, released: boolean): void {
  const asked = thread.told('release').at(-1);
  thread.say({ kind: 'released', ask: asked?.ask ?? -1, released });
}

test('a key without a request is let go by its shard before the other one has it, and what comes meanwhile waits', async () => {
  const { all, moves, submit, last, events } = setUp();
  const moving = moves.move(KEY, all[AWAY]!);
  const calls = [submit(KEY), submit(KEY)];
  await settled();
  expect(last(HOME).told('release')).toMatchObject([{ key: KEY }]);
  expect([keysOf(last(HOME)), keysOf(last(AWAY))]).toEqual([[], []]);
  release(last(HOME), true);
  expect(await moving).toBe(true);
  await settled();
  expect([keysOf(last(HOME)), keysOf(last(AWAY))]).toEqual([[], [KEY, KEY]]);
  expect(last(AWAY).runs.map(({ id }) => id)).toEqual(calls.map(({ id }) => id));
  expect(events).toEqual([{ type: 'key_moved', shard: HOME, key: KEY, to: AWAY }]);
  submit(KEY);
  await settled();
  expect(keysOf(last(AWAY))).toHaveLength(3);
});

test('a key in use is not moved, nor one whose shard keeps it, nor two at once', async () => {
  const { all, moves, submit, last } = setUp();
  submit(KEY);
  await settled();
  expect(await moves.move(KEY, all[AWAY]!)).toBe(false);
  last(HOME).answer(last(HOME).runs[0]!);

  const moving = moves.move(KEY, all[AWAY]!);
  expect(await moves.move('other', all[AWAY]!)).toBe(false);
  submit(KEY);
  await settled();
  release(last(HOME), false);
  expect(await moving).toBe(false);
  await settled();
  expect([keysOf(last(HOME)), keysOf(last(AWAY))]).toEqual([[KEY, KEY], []]);
});

test('if its shard dies meanwhile it stays there, and if the other one is not to be had it comes home', async () => {
  const { clock, all, moves, submit, last, ofShard } = setUp();
  const moving = moves.move(KEY, all[AWAY]!);
  const waiting = submit(KEY);
  await settled();
  await last(HOME).exit(new Error('boom'));
  expect(await moving).toBe(false);
  expect(waiting.state).toBe('queued');
  clock.advance(0);
  last(HOME).ready();
  await settled();
  expect(keysOf(last(HOME))).toEqual([KEY]);
  last(HOME).answer(last(HOME).runs[0]!);

  const again = moves.move(KEY, all[AWAY]!);
  await settled();
  release(last(HOME), true);
  expect(await again).toBe(true);
  for (let death = 0; death < 5; death++) {
    await last(AWAY).exit(new Error('boom'));
    for (let passed = 0; passed < 2_000; passed += 250) {
      last(HOME).ledger.beat();
      clock.advance(250);
    }
  }
  expect(all[AWAY]?.state).toBe('degraded');
  expect(ofShard[AWAY]).toHaveLength(6);
  submit(KEY);
  await settled();
  expect(keysOf(last(HOME))).toEqual([KEY, KEY]);
});

/** What lives where: a thread owns a key from its first run until it has let go of it, or has exited. */
class Owners {
  readonly #owned = new Map<FakeThread, Set<string>>();
  readonly #read = new Map<FakeThread, number>();

  look(threads: readonly FakeThread[]): void {
    for (const thread of threads) {
      const owned = this.of(thread);
      for (const command of thread.commands.slice(this.#read.get(thread) ?? 0)) {
        if (command.kind === 'run') owned.add(command.key);
      }
      this.#read.set(thread, thread.commands.length);
    }
    const seen = new Set<string>();
    for (const thread of threads) {
      if (thread.hasExited) continue;
      for (const key of this.of(thread)) {
        if (seen.has(key)) throw new Error(`two live shards own ${key}`);
        seen.add(key);
      }
    }
  }

  of(thread: FakeThread): Set<string> {
    const owned = this.#owned.get(thread) ?? new Set();
    this.#owned.set(thread, owned);
    return owned;
  }
}

const KEYS = Array.from({ length: 6 }, (_, i) => `key-${i}`);
const STEPS = 40;
const SEEDS = process.env.KEYLANE_LONG ? 10_000 : 1_000;

/** Returns how many keys were moved. */
async function play(random: Random): Promise<number> {
  const { clock, threads, all, moves, events, submit, calls } = setUp();
  const owners = new Owners();
  const answered = new Set<unknown>();
  const open = (thread: FakeThread) => thread.runs.filter((run) => !answered.has(run));
  const asked = (thread: FakeThread) => thread.told('release').filter((one) => !answered.has(one));
  const answer = (thread: FakeThread, run: FakeThread['runs'][number]) => {
    answered.add(run);
    thread.answer(run);
  };
  const reply = (thread: FakeThread, command: ReturnType<FakeThread['told']>[number], released: boolean) => {
    if (command.kind !== 'release') return;
    answered.add(command);
    // It has what runs in it, whatever it says.
    if (released && open(thread).every(({ key }) => key !== command.key)) owners.of(thread).delete(command.key);
    thread.say({ kind: 'released', ask: command.ask, released });
  };
  for (let step = 0; step < STEPS; step++) {
    const thread = random.pick(threads.alive.length > 0 ? threads.alive : threads.all);
    const act = random.below(100);
    if (act < 30) submit(random.pick(KEYS));
    else if (act < 55) for (const run of open(thread)) if (!thread.hasExited) answer(thread, run);
    if (act >= 55 && act < 75) void moves.move(random.pick(KEYS), all[random.below(SHARDS)]!);
    if (act >= 75 && act < 88) {
      const release = asked(thread)[0];
      if (release && !thread.hasExited) reply(thread, release, random.below(5) > 0);
    }
    if (act >= 88 && act < 94 && !thread.hasExited) await thread.exit(new Error('boom'));
    if (act >= 94) {
      clock.advance(random.below(2) * 500);
      for (const one of threads.alive) one.ledger.beat();
      thread.hasExited || thread.ready();
    }
    await settled();
    owners.look(threads.all);
  }
  // From here on nothing fails: all comes to an end.
  for (let round = 0; calls.some(({ state }) => state !== 'settled') && round < 200; round++) {
    clock.advance(250);
    for (const thread of threads.alive) {
      thread.ledger.beat();
      thread.ready();
      for (const command of asked(thread)) reply(thread, command, true);
      for (const run of open(thread)) answer(thread, run);
    }
    await settled();
    owners.look(threads.all);
  }
  expect(calls.map(({ state, settlements }) => [state, settlements.count])).toEqual(calls.map(() => ['settled', 1]));
  return events.length;
}

test(`in ${SEEDS} lives with moves and deaths no key ever has two live shards, and each call is settled once (W8)`, {
  timeout: 600_000,
}, async () => {
  let moved = 0;
  for (const seed of seedsOf('moves').slice(0, -1)) moved += await play(seeded(seed));
  for (let i = 0; i < SEEDS; i++) {
    const seed = (SEED + i) >>> 0;
    try {
      moved += await play(new Random(seed));
    } catch (error) {
      throw new Error(`SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  expect(moved).toBeGreaterThan(SEEDS / 4);
});
