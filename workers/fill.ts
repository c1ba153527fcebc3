import { KeylaneError } from '../src/errors.js';
import { type Driver, NOT_MODIFIED } from '../src/types.js';
import { packValue, unpackValue } from '../src/wire/codec.js';
import type { CachePart, Reply, ResponseReply, RunCommand, RunTiming } from '../src/wire/protocol.js';
import { fromWire, toWire } from '../src/wire/wire-error.js';
import type { Entry } from './cache.js';
import type { Flight } from './flight.js';
import type { Ticket } from './gate.js';
import { Run, type RunHost } from './run.js';

/** What a fill needs of its shard. */
export interface FillHost extends Omit<RunHost, 'answered' | 'noteSent'> {
  noteSent(flight: { readonly command: RunCommand }): void;
  /** A caller has its answer. */
  answered(caller: Flight): void;
  /** The driver by this name, once it is loaded. */
  driverOf(name: string): Driver | undefined;
}

/** What becomes of a fill. */
export interface FillEvents {
  /** It is not to be waited for any more: it has ended, or is about to. */
  closed(fill: Fill): void;
  /** An answer came that may be remembered. */
  fetched(fill: Fill, answer: Answer): void;
  /** Its run is over. */
  ended(fill: Fill): void;
}

export interface Answer extends Pick<Entry, 'value' | 'bytes'> {
  etag: string | undefined;
  /** How long the peer says that it holds. */
  saidMs: number | undefined;
  ok: boolean;
  /** The peer said that the old answer holds still. */
  revalidated: boolean;
}

/** Nothing is remembered for more than a year. */
const LONGEST_TTL_MS = 365 * 86_400_000;

const NO_TIMING: RunTiming = { queuedUs: 0, openUs: 0, runUs: 0, reused: false };

/**
 * One request for an answer that is to be remembered, whoever waits for it. It runs for its owner, the first of its callers
 * who is still there: what becomes of it is the owner's outcome. The others' own requests were never sent: where nobody
 * knows whether the owner's ran, they hear that theirs did not start.
 *
 * Who is called off leaves and the others stay; the last takes the run along. A fill without callers is a refresh: nobody
 * waits for it.
 */
export class Fill implements RunHost {
  readonly part: CachePart;
  readonly key: string;
  readonly tags: readonly string[];
  /** The how manieth of its shard. */
  readonly number: number;
  readonly run: Run;
  /** An answer that its validator may prove to hold still. */
  readonly old: Pick<Entry, 'value' | 'bytes' | 'etag'> | undefined;
  /** Something that it may have read was changed meanwhile: nobody may be given its answer who asks from now on. */
  outdated = false;
  readonly #callers = new Set<Caller>();
  readonly #host: FillHost;
  readonly #events: FillEvents;
  #owner: Caller | undefined = undefined;
  /** Who had it begun: the others were answered out of memory, as far as they can know. */
  #first: Caller | undefined = undefined;
  #sent = false;

  constructor(
    command: RunCommand & { cache: CachePart },
    how: { number: number; tags: readonly string[]; old: Fill['old']; dueAt: number },
    host: FillHost,
    events: FillEvents,
  ) {
    this.part = command.cache;
    this.key = command.key;
    this.tags = how.tags;
    this.number = how.number;
    this.old = how.old;
    this.#host = host;
    this.#events = events;
    const cache = { ...command.cache, etag: how.old?.etag };
    // Callers have deadlines of their own. A fill has no slot: it is its owner's that counts.
    const { kind, mode, driver, key, lane, target, request, priority } = command;
    const own = { kind, mode, driver, key, lane, target, request, priority };
    this.run = new Run({ ...own, slot: 0, id: 0, deadline: how.dueAt, cache }, this);
  }

  get isWanted(): boolean {
    return this.#callers.size > 0;
  }

  join(caller: Caller): void {
    caller.fill = this;
    this.#callers.add(caller);
    if (this.#owner) return;
    this.#own(caller);
    if (!this.#sent) this.#first ??= caller;
  }

  /** A caller is called off. */
  leave(caller: Caller, error: KeylaneError): void {
    if (!this.#callers.has(caller)) return;
    if (this.#callers.size === 1) {
      // The driver says what is known of it, now or within its grace.
      caller.dueAt = Number.POSITIVE_INFINITY;
      this.#events.closed(this);
      this.run.abort(error);
      return;
    }
    this.#callers.delete(caller);
    const owned = caller === this.#owner;
    if (owned) this.#own(this.#callers.values().next().value as Caller);
    const mayHaveRun = owned && this.#sent;
    const outcome = error.outcome === 'canceled' ? 'canceled' : mayHaveRun ? 'unknown' : 'not_started';
    this.#refuse(caller, NO_TIMING, new KeylaneError(error.code, error.message, { outcome }));
  }

  #own(caller: Caller): void {
    this.#owner = caller;
    if (this.#sent) this.#host.noteSent(caller);
  }

  // What follows is its run's side: RunHost.

  get trace() {
    return this.#host.trace;
  }

  get starts() {
    return this.#host.starts;
  }

  now(): number {
    return this.#host.now();
  }

  pause: RunHost['pause'] = (key, ms) => this.#host.pause(key, ms);

  ask: RunHost['ask'] = (question, about) => this.#host.ask(question, about);

  watch(dueAt: number): void {
    this.#host.watch(dueAt);
  }

  noteSent(): void {
    this.#sent = true;
    if (this.#owner) this.#host.noteSent(this.#owner);
  }

  noteRunning(slot: number): void {
    this.#host.noteRunning(slot < 0 ? -1 : (this.#owner?.command.slot ?? -1));
  }

  answered(): void {
    this.#events.ended(this);
  }

  reply(reply: Reply): void {
    if (reply.kind === 'response') this.#came(reply);
    else if (reply.kind === 'error') this.#fail(reply, fromWire(reply.error, undefined));
  }

  #came(reply: ResponseReply): void {
    this.#events.closed(this);
    let answer: Answer;
    try {
      answer = this.#read(reply.response);
    } catch (thrown) {
      const says = `the response cannot be encoded: ${(thrown as Error).message}`;
      this.#fail(reply, thrown instanceof KeylaneError ? thrown : new KeylaneError('ERR_PROTOCOL', says));
      return;
    }
    this.#events.fetched(this, answer);
    const { value, etag, saidMs } = answer;
    for (const caller of this.#callers) {
      const status = caller === this.#first ? 'miss' : 'hit';
      const timing = caller === this.#owner ? timingOf(reply) : this.#waited(caller);
      caller.answer({ ...timing, response: value, cache: { status, ageMs: 0, etag, saidMs } });
      this.#gone(caller, timing);
    }
    this.#callers.clear();
  }

  #read(response: unknown): Answer {
    const driver = this.#host.driverOf(this.run.command.driver);
    if (response === NOT_MODIFIED) {
      if (!this.old)
        throw new KeylaneError('ERR_PROTOCOL', 'the driver answers NOT_MODIFIED to a request without an etag');
      const { value, bytes, etag } = this.old;
      const saidMs = quietly(() => saidOf(driver, value));
      return { value, bytes, etag, saidMs, ok: true, revalidated: true };
    }
    // Its driver may go on with what it gave.
    const packed = packValue(response);
    // One that cannot say whether the peer said yes is taken to say no.
    const ok = quietly(() => driver?.ok?.(response)) === true;
    const etag = ok ? quietly(() => driver?.etag?.(response)) : undefined;
    const saidMs = quietly(() => saidOf(driver, response));
    const known = { etag: typeof etag === 'string' ? etag : undefined, saidMs, ok, revalidated: false };
    return { value: unpackValue(packed), bytes: packed.length, ...known };
  }

  #fail(timing: RunTiming, error: KeylaneError): void {
    this.#events.closed(this);
    for (const caller of this.#callers) {
      if (caller === this.#owner) this.#refuse(caller, timingOf(timing), error);
      else this.#refuse(caller, this.#waited(caller), othersError(error));
    }
    this.#callers.clear();
  }

  #refuse(caller: Caller, timing: RunTiming, error: KeylaneError): void {
    caller.refuse(timing, error);
    this.#gone(caller, timing);
  }

  #gone(caller: Caller, { runUs }: RunTiming): void {
    caller.heldUs = runUs;
    this.#host.answered(caller);
  }

  #waited({ arrived }: Caller): RunTiming {
    return { ...NO_TIMING, queuedUs: Math.round((this.#host.now() - arrived) * 1000) };
  }
}

/** A request that waits for a fill. */
export class Caller implements Flight {
  readonly command: RunCommand;
  readonly arrived: number;
  dueAt: number;
  heldUs = 0;
  readonly input = undefined;
  fill: Fill | undefined = undefined;
  readonly #reply: (reply: Reply) => void;

  constructor(command: RunCommand, arrived: number, reply: (reply: Reply) => void) {
    this.command = command;
    this.arrived = arrived;
    this.dueAt = command.deadline;
    this.#reply = reply;
  }

  get waiting(): boolean {
    return this.fill?.run.waiting ?? true;
  }

  get ticket(): Ticket | undefined {
    return this.fill?.run.ticket;
  }

  abort(error: KeylaneError): void {
    this.fill?.leave(this, error);
  }

  credit(): void {}

  answer(what: Omit<ResponseReply, 'kind' | 'slot' | 'id'>): void {
    const { slot, id } = this.command;
    this.#reply({ kind: 'response', slot, id, ...what });
  }

  refuse(timing: RunTiming, error: KeylaneError): void {
    const { slot, id } = this.command;
    this.#reply({ kind: 'error', slot, id, ...timing, error: toWire(error) });
  }
}

function timingOf({ queuedUs, openUs, runUs, reused }: RunTiming): RunTiming {
  return { queuedUs, openUs, runUs, reused };
}

/** What those hear whose own requests were never sent. */
function othersError(error: KeylaneError): KeylaneError {
  if (error.outcome === 'not_started') return error;
  const says = `the request that was to answer this one too failed: ${error.message}`;
  return new KeylaneError(error.code, says, { outcome: 'not_started', cause: error.cause });
}

/** Less than nothing is nothing, and what is no number says nothing. */
function saidOf(driver: Driver | undefined, response: unknown): number | undefined {
  const ms = driver?.ttlMs?.(response);
  return typeof ms === 'number' && !Number.isNaN(ms) ? Math.min(Math.max(0, ms), LONGEST_TTL_MS) : undefined;
}

/** A driver's own reading of its response must not cost anybody the answer. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
