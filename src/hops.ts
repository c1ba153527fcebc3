import { Call, type CallEvents } from './call.js';
import { KeylaneError } from './errors.js';
import type { KnownDriver } from './known-driver.js';
import type { Chunk, Parsed } from './types.js';
import type { Clock } from './util/clock.js';

const MOST_HOPS = 20;

/**
 * Stands between a call and who placed it, where the answers of its driver may lead on (a redirect): one that does is
 * settled and not told of, and a call for the next request is handed over in its place, to the next key, in what is left of
 * the time. So whoever placed it hears of one call only, the last, with the times of all.
 */
export class Hops implements CallEvents {
  readonly #driver: KnownDriver;
  readonly #events: CallEvents;
  readonly #clock: Clock;
  readonly #submit: (call: Call) => void;
  /** Of the call that is under way. */
  #parsed: Parsed;
  readonly #first: string;
  #hops = 0;
  /** Was nothing asked so far that may have changed something? */
  #isHarmless = true;
  readonly #spent = { queuedUs: 0, openUs: 0, runUs: 0 };

  /** `submit`: throws what keeps a call from being handed over. It was admitted once, whatever waits since. */
  constructor(driver: KnownDriver, parsed: Parsed, events: CallEvents, clock: Clock, submit: (call: Call) => void) {
    this.#driver = driver;
    this.#parsed = parsed;
    this.#first = parsed.key;
    this.#events = events;
    this.#clock = clock;
    this.#submit = submit;
  }

  settled(call: Call): void {
    if (!call.error && this.#leadsOn(call)) return;
    if (call.error && this.#hops > 0) call.error = this.#honest(call.error);
    call.queuedUs += this.#spent.queuedUs;
    call.openUs += this.#spent.openUs;
    call.runUs += this.#spent.runUs;
    this.#events.settled(call);
  }

  chunk(chunk: Chunk, call: Call): void {
    this.#events.chunk?.(chunk, call);
  }

  dispatched(call: Call): void {
    this.#events.dispatched?.(call);
  }

  taken(bytes: number): void {
    this.#events.taken?.(bytes);
  }

  /** Hands the next call over where there is one. Where that fails, the call ends with the error instead of its answer. */
  #leadsOn(call: Call): boolean {
    this.#isHarmless &&= this.#parsed.idempotent === true;
    try {
      const parsed = this.#driver.spec.follow?.(call.response, this.#parsed);
      if (!parsed) return false;
      this.#hops++;
      // It was called off when its answer was on the way.
      if (call.isCalledOff) throw new KeylaneError('ERR_CANCELED', undefined, { key: call.key });
      if (this.#hops > MOST_HOPS) throw endless(this.#first, parsed.key);
      this.#go(call, parsed);
      return true;
    } catch (thrown) {
      this.#hops = Math.max(1, this.#hops);
      call.next = undefined;
      call.error = asError(thrown, call.key);
      call.response = undefined;
      return false;
    }
  }

  #go(call: Call, parsed: Parsed): void {
    const { cache, name } = this.#driver;
    if (call.plan) cache.heard(call.plan, call);
    const plan = call.plan && cache.planAfter(call.plan, parsed);
    const { priority, deadline, labels } = call;
    // What the caller writes went to the first: the next has all that it needs in its request.
    const mode = call.mode === 'stream' ? 'live' : call.mode;
    const next = new Call(name, parsed, { mode, priority, deadline, labels, plan, now: this.#clock.now() }, this);
    // Until it has a shard of its own: something has left, whatever becomes of this one.
    next.shard = call.shard;
    call.next = next;
    this.#parsed = parsed;
    this.#submit(next);
    this.#spent.queuedUs += Math.round(call.heldMs * 1_000) + call.queuedUs;
    this.#spent.openUs += call.openUs;
    this.#spent.runUs += call.runUs;
  }

  /** That the last hop has not started says nothing of the first. */
  #honest(error: KeylaneError): KeylaneError {
    if (error.outcome !== 'not_started' || this.#isHarmless) return error;
    const { code, key = this.#parsed.key, cause } = error;
    const says = `${error.message}; ${this.#first} had answered, and may have done something`;
    return new KeylaneError(code, says, { outcome: 'unknown', key, cause });
  }
}

function endless(from: string, to: string): KeylaneError {
  return new KeylaneError('ERR_PROTOCOL', `${from} led on ${MOST_HOPS} times, and would again, to ${to}`, { key: to });
}

/** Whatever a spec throws is a KeylaneError here. */
function asError(thrown: unknown, key: string): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  const says = `the driver cannot follow its own response: ${String(thrown)}`;
  return new KeylaneError('ERR_PROTOCOL', says, { key, cause: thrown });
}
