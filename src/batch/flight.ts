import type { BatchOptions } from '../batch-options.js';
import type { Call } from '../call.js';
import { type Tried, type TryPolicy, tryUntilSettled, type WaitingRoom } from '../tries.js';
import type { Attempt, Chunk, Parsed } from '../types.js';
import type { BatchHost } from './host.js';
import type { Item } from './item.js';
import { triesBefore } from './result.js';
import type { Slots } from './slots.js';

const DEFAULT_ATTEMPTS = 3;
const NONE: readonly Attempt[] = [];

/** What the tries of a batch's requests ask of it. */
export interface FlightControl<Req> {
  /** Is there a place among all? */
  hasRoom(): boolean;
  /** More is to come that could make use of a place. */
  expectsMore(): boolean;
  /** There may be room for another one. */
  fill(): void;
  /** It gives way to others until there is room for it. */
  waits(): void;
  /** Its first try is about to leave. Throws what keeps it from that; a promise is waited for. */
  starting(item: Item<Req>, hasWaited: boolean): Promise<void> | undefined;
  /** Where a promise comes back the reader is behind: until it resolves the peer gets no credit for more. */
  chunk(item: Item<Req>, chunk: Chunk): Promise<void> | undefined;
  /** A try has its answer; what it has in use is free when this returns. */
  heard(item: Item<Req>, call: Call): void;
}

/** The requests of a batch that have a place or wait for one, and their tries. */
export class Flight<Req> {
  readonly #slots: Slots;
  readonly #options: BatchOptions<Req>;
  readonly #signal: AbortSignal;
  readonly #control: FlightControl<Req>;
  /**
   * Who waits until a dead host may be tried again holds a place among those in flight, for up to minutes: a tenth of
   * the places at most, so that it costs the others no more. Where nobody else is to come, all of them.
   */
  readonly #waitingRoom: WaitingRoom = {
    enter: () => {
      if (this.#control.expectsMore() && this.#waiting >= this.#slots.limit / 10) return false;
      this.#waiting++;
      return true;
    },
    leave: () => {
      this.#waiting--;
    },
  };
  #waiting = 0;

  constructor(slots: Slots, options: BatchOptions<Req>, signal: AbortSignal, control: FlightControl<Req>) {
    this.#slots = slots;
    this.#options = options;
    this.#signal = signal;
    this.#control = control;
  }

  run(item: Item<Req>, parsed: Parsed, host: BatchHost): Promise<Tried> {
    const { attempts = DEFAULT_ATTEMPTS, idempotent = parsed.idempotent ?? false } = this.#options;
    const { own, deadline } = item;
    const start = () => {
      item.call = undefined;
      item.place ??= this.#control.hasRoom() ? this.#slots.take(parsed.key) : undefined;
      return item.place ? this.#go(item, parsed, host, false) : this.#goInTurn(item, parsed, host);
    };
    // Where the concurrency is learned, who only waits for the next try is not in flight. Where it is given, the place is
    // kept: with a concurrency of 1 the requests go one after the other, tries and all.
    const pausing =
      this.#options.concurrency === undefined || this.#options.concurrency === 'auto'
        ? () => {
            this.leave(item);
            this.#control.fill();
          }
        : undefined;
    const policy: TryPolicy = {
      key: parsed.key,
      attempts: own?.attempts ?? attempts,
      idempotent: own?.idempotent ?? idempotent,
      deadline,
      signal: this.#signal,
      budget: host.retries,
      again: host.again && ((call) => (call.isRemembered ? undefined : host.again?.(call.response, parsed))),
      waitingRoom: this.#waitingRoom,
      pausing,
      before: item.isInterrupted ? triesBefore(item) : NONE,
    };
    return tryUntilSettled(start, policy, host.clock, host.random);
  }

  leave(item: Item<Req>): void {
    if (item.place) this.#slots.leave(item.place, item.call);
    item.place = undefined;
  }

  async #goInTurn(item: Item<Req>, parsed: Parsed, host: BatchHost): Promise<Call> {
    const waiting = this.#slots.wait(parsed.key, item.deadline);
    // Its place among all is another's now.
    if (!item.hasBegun) this.#control.waits();
    this.#control.fill();
    item.place = await waiting;
    return this.#go(item, parsed, host, true);
  }

  #go(item: Item<Req>, parsed: Parsed, host: BatchHost, hasWaited: boolean): Promise<Call> {
    const ready = item.hasBegun ? undefined : this.#control.starting(item, hasWaited);
    return ready ? ready.then(() => this.#try(item, parsed, host)) : this.#try(item, parsed, host);
  }

  /** One try. Rejects with what keeps it from being handed over. */
  #try(item: Item<Req>, parsed: Parsed, host: BatchHost): Promise<Call> {
    const priority = item.own?.priority ?? this.#options.priority ?? 0;
    const signal = this.#signal;
    const { labels, plan } = item;
    const patience = item.patience!;
    const deadline = patience.ofTry(parsed.key, host.clock, item.deadline);
    return new Promise((resolve, reject) => {
      const settled = (call: Call) => {
        if (call.plan) host.cache?.heard(call.plan, call);
        if (!call.isRemembered) {
          item.call = call;
          patience.heard(call);
          this.#control.heard(item, call);
        }
        resolve(call);
      };
      const chunk = (piece: Chunk, call: Call) => {
        const read = this.#control.chunk(item, piece);
        if (read) void read.then(() => host.credit(call, piece.data.length));
        else host.credit(call, piece.data.length);
      };
      try {
        host.submit(parsed, { deadline, signal, priority, labels, plan }, { settled, chunk });
      } catch (error) {
        reject(error);
      }
    });
  }
}
