import { Patience } from './adaptive/timeouts.js';
import { Asker, errorOf } from './asker.js';
import { outcomeOf, rememberedResult } from './batch/result.js';
import type { Remembered } from './cache/second-level.js';
import { type Call, type CallEvents, type CallHow, howLong } from './call.js';
import { checkCallOptions, RUN_OPTIONS } from './call-options.js';
import type { KnownDriver } from './known-driver.js';
import { isReady, type PrepareBounds, parse } from './prepare.js';
import type { RetryBudget } from './retry-budget.js';
import { answerAgainAfter, mayHaveRun, type Tried, tryUntilSettled } from './tries.js';
import type { CallOptions, Parsed, Result, Spec } from './types.js';
import type { Clock } from './util/clock.js';

/** What a request needs of its engine. */
export interface RequestHost {
  readonly clock: Clock;
  readonly retries: RetryBudget;
  /** Throws `ERR_INPUT` where there is no such driver. */
  driver(name: string): KnownDriver;
  /** Starts one try. Throws what keeps it from being handed over. */
  submit(driver: KnownDriver, parsed: Parsed, how: CallHow, events: CallEvents, signal: AbortSignal | undefined): Call;
  prepare(spec: Spec, request: unknown, bounds: PrepareBounds): Promise<Parsed>;
  /** Throws `ERR_CLOSED` where it is. */
  refuseClosed(): void;
}

/** The requests that are made one by one. */
export class Requests {
  readonly #host: RequestHost;

  constructor(host: RequestHost) {
    this.#host = host;
  }

  run(driver: string, request: unknown, options: CallOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (options) checkCallOptions(options, RUN_OPTIONS);
      this.#start(new Once(this.#host.driver(driver), request, undefined, resolve, reject), options);
    });
  }

  result(driver: string, request: unknown, options: CallOptions | undefined): Promise<Result> {
    return new Promise((resolve) => {
      if (options) checkCallOptions(options, RUN_OPTIONS);
      const known = this.#host.driver(driver);
      this.#start(new Once(known, request, resolve, undefined, undefined, options?.traceparent), options);
    });
  }

  #start(once: Once, options: CallOptions | undefined): void {
    const timeoutMs = options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const { spec } = once.driver;
    if (!isReady(spec, once.request) || (options !== undefined && takesMore(options)) || timeoutMs === 'auto') {
      void this.#startTries(once, options ?? {});
      return;
    }
    try {
      const parsed = parse(spec, once.request);
      once.key = parsed.key;
      const how = howLong('once', timeoutMs, this.#host.clock.now(), options?.priority ?? 0, options?.labels);
      if (options?.cache) how.plan = once.driver.cache.plan(parsed, options.cache);
      this.#host.submit(once.driver, parsed, how, once, options?.signal);
    } catch (error) {
      once.refused(error);
    }
  }

  /** Where there is more to it than one try of what is at hand. */
  async #startTries(once: Once, options: CallOptions): Promise<void> {
    try {
      this.#host.refuseClosed();
      const settled = await this.#tries(once, options);
      if ('call' in settled) once.tried(settled);
      else once.found(settled);
    } catch (error) {
      once.refused(error);
    }
  }

  async #tries(once: Once, options: CallOptions): Promise<Tried | Remembered> {
    const { attempts = 1, priority = 0, labels, signal, cache, invalidates } = options;
    const { clock, retries } = this.#host;
    const { spec, timeouts, cache: remembered } = once.driver;
    const patience = new Patience(options, timeouts);
    const deadline = patience.deadline(clock.now());
    const parsed = await this.#host.prepare(spec, once.request, { deadline, signal });
    const { key } = parsed;
    once.key = key;
    const plan = cache ? remembered.plan(parsed, cache) : undefined;
    const found = plan?.persist && !signal?.aborted ? await remembered.look(plan, parsed) : undefined;
    if (found) return found;
    const start = () =>
      new Promise<Call>((settled) => {
        const until = patience.ofTry(key, clock, deadline);
        const how = { mode: 'once', priority, deadline: until, labels, now: clock.now(), plan } as const;
        const heard = (call: Call) => {
          once.heard(call);
          if (!call.isRemembered) patience.heard(call);
          settled(call);
        };
        this.#host.submit(once.driver, parsed, how, { settled: heard }, signal);
      });
    const { idempotent = parsed.idempotent ?? false } = options;
    const again = (call: Call) => (call.isRemembered ? undefined : answerAgainAfter(spec, call.response, parsed));
    const policy = { key, attempts, idempotent, deadline, signal, budget: retries, again };
    const tried = await tryUntilSettled(start, policy, clock, Math.random);
    const { call, history } = tried;
    // It may have changed something, whatever was heard of it. Nobody is told how it ended before all have forgotten.
    if (invalidates && mayHaveRun(call.error?.outcome, call.shard, history)) await remembered.forget(invalidates);
    return tried;
  }
}

export const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * One request, from who asked to what became of it: exactly one of `settled`, `tried`, `found` and `refused`. Who asked
 * for a result gets all of these as one. It hears of its only try itself, where it has no more: an object less for each.
 */
class Once extends Asker implements CallEvents {
  readonly #result: ((result: Result) => void) | undefined;
  readonly #resolve: ((response: unknown) => void) | undefined;
  readonly #reject: ((error: unknown) => void) | undefined;

  constructor(
    driver: KnownDriver,
    request: unknown,
    result: ((result: Result) => void) | undefined,
    resolve: ((response: unknown) => void) | undefined,
    reject: ((error: unknown) => void) | undefined,
    traceparent?: string,
  ) {
    super(driver, request, traceparent);
    this.#result = result;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settled(call: Call): void {
    this.heard(call);
    if (this.#result) this.#result(this.resultOf({ call, attempts: 1, history: [] }));
    else this.#end(call, 1);
  }

  /** One of its tries is over. */
  heard(call: Call): void {
    if (call.plan) this.driver.cache.heard(call.plan, call);
  }

  tried(tried: Tried): void {
    if (this.#result) this.#result(this.resultOf(tried));
    else this.#end(tried.call, tried.attempts);
  }

  /** It was on disk. */
  found(found: Remembered): void {
    this.driver.meter.untried(undefined);
    if (this.#result) this.#result(rememberedResult(this, this.key, found));
    else this.#resolve?.(found.response);
  }

  /** It was never handed over. */
  refused(thrown: unknown): void {
    if (this.#result) {
      this.#result(this.resultOfNone(thrown));
      return;
    }
    this.driver.meter.untried(errorOf(thrown));
    this.#reject?.(thrown);
  }

  #end(call: Call, attempts: number): void {
    const { spec, meter } = this.driver;
    meter.call(call, outcomeOf(call, spec), attempts);
    if (call.error) this.#reject?.(call.error);
    else this.#resolve?.(call.response);
  }
}

function takesMore({ attempts = 1, invalidates, cache }: CallOptions): boolean {
  return attempts > 1 || invalidates !== undefined || (typeof cache === 'object' && cache.persist === true);
}
