import { LearnedTimeouts } from '../../../src/adaptive/timeouts.ts';
import { Batch } from '../../../src/batch/batch.ts';
import type { BatchHost } from '../../../src/batch/host.ts';
import type { Input } from '../../../src/batch/source.ts';
import type { BatchOptions } from '../../../src/batch-options.ts';
import type { IndexedJob, Job } from '../../../src/batch-types.ts';
import { Call } from '../../../src/call.ts';
import { KeylaneError } from '../../../src/errors.ts';
import { RetryBudget } from '../../../src/retry-budget.ts';
import type { Result } from '../../../src/types.ts';
import { FakeClock, settled } from '../../support/fake-clock.ts';
import { JournalDisk, MemoryJournal } from '../../support/memory-journal.ts';
import { Random } from '../../support/random.ts';

/** So many processes may die over one batch; those after them live. */
const DEATHS = 6;
const MOST_TURNS = 20_000;

/** A batch with a journal, over hosts that answer, refuse, lose, in processes that die at any step. */
export class BatchWorld {
  readonly random: Random;
  readonly disk = new JournalDisk();
  readonly sometimes = new Set<string>();
  readonly faults: string[] = [];
  readonly jobs: Job[];
  readonly #kind: 'requests' | 'jobs' | 'source';
  readonly #options: BatchOptions<string>;
  /** What the hosts have seen, by index. */
  readonly #effects = new Map<number, number>();
  /** What a reader was told. */
  readonly #told = new Map<number, Result>();

  constructor(seed: number) {
    this.random = new Random(seed);
    const { random } = this;
    const chance = (of: number) => random.next() < of;
    const mayWait = chance(0.3);
    this.#kind = random.pick(['requests', 'jobs', 'source']);
    const count = 1 + random.below(60);
    this.jobs = Array.from({ length: count }, (_, index) => ({
      request: `${random.below(6)} ${index}`,
      id: `job-${index}`,
      idempotent: chance(0.5),
      attempts: random.pick([1, 2, 3]),
      ...(chance(0.5) && { labels: [random.pick(['red', 'blue'])] }),
      ...(mayWait && chance(0.2) && { after: [`job-${random.below(count)}`] }),
    }));
    this.#options = {
      concurrency: random.pick([1, 3, 10, 100]),
      concurrencyPerKey: random.pick([1, 4, 100]),
      timeoutMs: 0,
      ...(chance(0.3) && { waves: random.pick([['red'], ['blue', 'red']]) }),
      ...(chance(0.2) && { canary: 1 + random.below(5) }),
      ...(chance(0.3) && { maxFailures: random.pick([1, 5, '50%'] as const) }),
      ...(chance(0.2) && { rate: 100 }),
    };
  }

  /** Plays until the batch has its end. */
  async play(): Promise<void> {
    for (let life = 0; ; life++) {
      const state = await this.#live(life < DEATHS ? 1 + this.random.below(60) : Number.POSITIVE_INFINITY);
      if (state === 'done' || state === 'stopped') break;
      if (life > DEATHS + 20) return void this.faults.push(`it is ${state} after ${life} processes`);
    }
    this.#judge();
  }

  /** One process, which dies at a step. */
  async #live(dieAt: number): Promise<JournalDisk['state'] | 'dead'> {
    const { random, disk } = this;
    const clock = new FakeClock();
    const journal = new MemoryJournal(disk);
    journal.isHeld = true;
    let left = dieAt;
    let isDead = false;
    const dies = (where: string) => {
      if (isDead || --left > 0) return isDead;
      isDead = true;
      journal.isDead = true;
      this.sometimes.add(`died ${where}`);
      return true;
    };
    /** Requests on their way to a host, which may come there after the death of who sent them. */
    const onTheWay = new Set<() => void>();
    const host: BatchHost = {
      ...{ clock, random: () => random.next(), retries: new RetryBudget(clock), most: 4_096, credit: () => {} },
      timeouts: new LearnedTimeouts(),
      parse: (request) => ({ key: String(request).split(' ')[0]!, lane: 'l', target: null, request }),
      ok: (response) => response === 'yes',
      submit: (parsed, how, events) => {
        const call = new Call('echo', parsed, { ...how, mode: 'once', now: clock.now() }, events);
        if (how.signal.aborted) throw new KeylaneError('ERR_CANCELED');
        if (dies('before a request left')) return call;
        const index = Number(String(parsed.request).split(' ')[1]);
        if (!disk.begun.has(index)) this.faults.push(`${index} left before its intent was on the disk`);
        if (disk.outcomes.has(index)) this.faults.push(`${index} left after its result was on the disk`);
        const fate = random.pick(['yes', 'yes', 'yes', 'yes', 'no', 'refused', 'lost', 'lost on the way']);
        const isSeen = fate === 'yes' || fate === 'no' || fate === 'lost';
        const effect = () => {
          if (!onTheWay.delete(effect)) return;
          if (isSeen) this.#effects.set(index, (this.#effects.get(index) ?? 0) + 1);
        };
        onTheWay.add(effect);
        call.shard = 0;
        clock.timer(random.below(50), () => {
          if (isDead) return;
          effect();
          if (dies('between the effect and its answer')) return;
          clock.timer(random.below(50), () => {
            if (isDead || dies('with an answer on its way')) return;
            if (fate === 'yes' || fate === 'no') call.settle(fate, undefined);
            else call.settle(undefined, new KeylaneError(fate === 'refused' ? 'ERR_CONNECT' : 'ERR_CONNECTION_LOST'));
          });
        });
        how.signal.addEventListener('abort', () => {
          // What is cut may have come there, or still come.
          if (random.next() < 0.5) onTheWay.delete(effect);
          else effect();
          call.settle(undefined, new KeylaneError('ERR_CANCELED'));
        });
        dies('after a request left');
        return call;
      },
    };
    const controller = new AbortController();
    const options = { ...this.#options, signal: controller.signal, ...(this.#kind === 'requests' && this.#each) };
    const journalHost = { id: 'b', open: async () => journal, ended: () => {} };
    const batch = new Batch<string, string>(host, this.#input, options, journalHost);
    this.#somethingHappens(batch, controller, clock, dieAt);
    let isOver = false;
    const read = async () => {
      for await (const result of batch) {
        if (isDead) return;
        if (disk.outcomes.get(result.index) !== result.outcome)
          this.faults.push(`${result.index} was handed out as ${result.outcome} before that was on the disk`);
        if (this.#told.has(result.index)) this.faults.push(`${result.index} was handed out twice`);
        this.#told.set(result.index, result);
        if (dies('after a result was handed out')) return;
      }
      isOver = true;
    };
    read().catch((error) => {
      if (!isDead) this.faults.push(`the loop threw ${String(error)}`);
      isOver = true;
    });
    for (let turn = 0; !isDead && !isOver; turn++) {
      await settled();
      if (isDead || isOver) break;
      const { nextAt } = clock;
      if (turn > MOST_TURNS || (!journal.hasPending && nextAt === undefined)) {
        this.faults.push(`nothing happens any more: ${JSON.stringify(batch.progress)}`);
        return 'done';
      }
      if (journal.hasPending && (nextAt === undefined || random.next() < 0.4)) {
        if (dies('before a commit')) break;
        journal.commit();
        dies('after a commit');
      } else {
        clock.advance(nextAt! - clock.now());
      }
    }
    if (isOver && !isDead) return disk.state;
    for (const effect of [...onTheWay]) if (random.next() < 0.5) effect();
    return 'dead';
  }

  #somethingHappens(batch: Batch<string, string>, controller: AbortController, clock: FakeClock, dieAt: number): void {
    const { random } = this;
    if (dieAt === Number.POSITIVE_INFINITY) return;
    const happens = (of: number, what: string, call: () => void) => {
      if (random.next() >= of) return;
      clock.timer(random.below(300), () => {
        this.sometimes.add(what);
        call();
      });
    };
    happens(0.1, 'was drained', () => batch.drain());
    happens(0.1, 'was cut', () => controller.abort());
    happens(0.2, 'was paused', () => {
      batch.pause();
      clock.timer(100, () => batch.resume());
    });
  }

  get #each(): Pick<BatchOptions<string>, 'each'> {
    return { each: (_, index) => ({ ...this.jobs[index], request: undefined }) as object };
  }

  get #input(): Input<string> {
    const { jobs } = this;
    if (this.#kind === 'requests') return { kind: 'requests', from: jobs.map(({ request }) => request as string) };
    if (this.#kind === 'jobs') return { kind: 'jobs', from: jobs };
    const read = async function* (wanted: (index: number) => boolean): AsyncGenerator<IndexedJob> {
      for (const [index, job] of jobs.entries()) if (wanted(index)) yield { index, ...job };
    };
    const named = new Map(jobs.map(({ id }, index) => [id!, index]));
    const identity = { path: '/jobs', spooled: false, bytes: 1, format: 'ndjson', sha256: '', driver: 'echo' } as const;
    return { kind: 'source', from: { identity, total: jobs.length, named, read } };
  }

  #judge(): void {
    const { disk, jobs } = this;
    const results = new Map(disk.results.map((result) => [result.index, result]));
    for (const [index, { idempotent }] of jobs.entries()) {
      const result = results.get(index);
      if (!result) {
        this.faults.push(`${index} was lost`);
        continue;
      }
      const { outcome, error } = result;
      const seen = this.#effects.get(index) ?? 0;
      this.sometimes.add(`outcome ${outcome} ${error?.code ?? ''}`.trim());
      if (!idempotent && seen > 1) this.faults.push(`${index} ran ${seen} times`);
      if (idempotent && error?.code === 'ERR_INTERRUPTED') this.faults.push(`${index} is idempotent, and was left`);
      if (outcome === 'ok' && seen === 0) this.faults.push(`${index} is ok, and no host has seen it`);
      if (outcome === 'not_started' && seen > 0) this.faults.push(`${index} is not_started, and a host has seen it`);
      if (outcome === 'canceled') this.faults.push(`${index} is canceled, and nobody did that`);
      if (idempotent && seen > 1) this.sometimes.add('an idempotent one ran twice');
      if (outcome === 'unknown' && seen === 0) this.sometimes.add('an unknown one had not run');
      if (outcome === 'unknown' && seen > 0) this.sometimes.add('an unknown one had run');
    }
    if (results.size !== disk.results.length) this.faults.push('one has two results');
    for (const [index, told] of this.#told)
      if (results.get(index) !== told) this.faults.push(`${index} was told as something else`);
  }
}
