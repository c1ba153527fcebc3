import { expect, test } from 'vitest';
import { LearnedTimeouts } from '../../src/adaptive/timeouts.ts';
import { Batch } from '../../src/batch/batch.ts';
import type { BatchHost } from '../../src/batch/host.ts';
import type { BatchOptions } from '../../src/batch-options.ts';
import { Call, type CallEvents } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { RetryBudget } from '../../src/retry-budget.ts';
import type { Parsed } from '../../src/types.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';
import { type Random, seeded, seedsOf } from '../support/seed.ts';

interface Host {
  key: string;
  kind: 'fast' | 'slow' | 'refusing';
}

/** A fleet of virtual time: fast ones answer in 10 ms, slow ones in 1 s, the others refuse at once. */
class Fleet implements BatchHost {
  readonly clock = new FakeClock();
  readonly random: () => number;
  readonly retries = new RetryBudget(this.clock);
  readonly timeouts = new LearnedTimeouts();
  readonly most = 4_096;
  readonly #random: Random;
  inFlight = 0;
  mostInFlight = 0;

  constructor(random: Random) {
    this.#random = random;
    this.random = () => random.next();
  }

  parse(request: unknown): Parsed {
    return { key: (request as Host).key, lane: '', target: null, request };
  }

  ok(): boolean {
    return true;
  }

  credit(): void {}

  submit(parsed: Parsed, how: Parameters<BatchHost['submit']>[1], events: CallEvents): Call {
    const call = new Call('echo', parsed, { ...how, mode: 'once', now: this.clock.now() }, events);
    const { kind } = parsed.request as Host;
    const ms = { fast: 10, slow: 1_000, refusing: 1 }[kind] * (0.9 + 0.2 * this.#random.next());
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    call.shard = 0;
    this.clock.timer(ms, () => {
      this.inFlight--;
      call.runUs = Math.round(ms * 1000);
      call.settle('yes', kind === 'refusing' ? new KeylaneError('ERR_CONNECT') : undefined);
    });
    return call;
  }
}

/** Virtual milliseconds until all have a result. */
async function sweep(hosts: readonly Host[], options: BatchOptions<Host>, seed: number) {
  const fleet = new Fleet(seeded(seed));
  let over = false;
  let ok = 0;
  const batch = new Batch<Host, string>(fleet, { kind: 'requests', from: hosts }, options);
  const read = (async () => {
    for await (const { outcome } of batch) if (outcome === 'ok') ok++;
    over = true;
  })();
  await settled();
  while (!over) {
    await fleet.clock.advanceSettling(Math.max(0, (fleet.clock.nextAt ?? fleet.clock.now()) - fleet.clock.now()));
  }
  await read;
  return { ms: fleet.clock.now(), ok, mostInFlight: fleet.mostInFlight };
}

function fleetOf(random: Random): Host[] {
  return Array.from({ length: 3_000 }, (_, i) => {
    const dice = random.next();
    const kind = dice < 0.05 ? 'refusing' : dice < 0.2 ? 'slow' : 'fast';
    return { key: `${kind}-${i % 750}`, kind };
  });
}

test.each(seedsOf('adaptive-fleet'))(
  'on a fleet of fast, slow and refusing hosts what is learned is at least a tenth faster than 64 and no slower than 200, seed %i',
  async (seed) => {
    const hosts = fleetOf(seeded(seed));
    const answering = hosts.filter(({ kind }) => kind !== 'refusing').length;
    const learned = await sweep(hosts, { attempts: 1 }, seed);
    const of64 = await sweep(hosts, { attempts: 1, concurrency: 64 }, seed);
    const of200 = await sweep(hosts, { attempts: 1, concurrency: 200 }, seed);
    expect([learned.ok, of64.ok, of200.ok]).toEqual([answering, answering, answering]);
    expect(learned.ms).toBeLessThan(of64.ms / 1.1);
    expect(learned.ms).toBeLessThan(of200.ms * 1.05);
  },
);

test.each(seedsOf('adaptive-fleet'))(
  'one key that refuses and is tried again takes nothing from the others, seed %i',
  async (seed) => {
    const random = seeded(seed);
    const well = Array.from({ length: 2_000 }, (_, i): Host => ({ key: `fast-${i}`, kind: 'fast' }));
    const dead = Array.from({ length: 300 }, (): Host => ({ key: 'dead', kind: 'refusing' }));
    const mixed = [...well, ...dead].sort(() => random.next() - 0.5);
    let last = 0;
    const fleet = new Fleet(seeded(seed));
    const batch = new Batch<Host, string>(fleet, { kind: 'requests', from: mixed }, {});
    let over = false;
    const read = (async () => {
      for await (const { outcome } of batch) if (outcome === 'ok') last = fleet.clock.now();
      over = true;
    })();
    await settled();
    while (!over) await fleet.clock.advanceSettling(10);
    await read;
    // 2,000 × 10 ms ÷ 200 at once is 100 ms; with the dead one's turns among them twice that is generous.
    expect(last).toBeLessThan(250);
  },
);
