import type { MessagePort } from 'node:worker_threads';
import type { Call } from '../call.js';
import { KeylaneError } from '../errors.js';
import type { ShardEvent } from '../events.js';
import { CHUNK_COST, TOLD_BYTES } from '../wire/credit.js';
import { FrameReader, type FrameVisitor } from '../wire/frame-reader.js';
import { Ledger } from '../wire/ledger.js';
import { Outbox } from '../wire/outbox.js';
import type { Ask, CacheNote, Command, Reply, ResponseReply, ShardStats } from '../wire/protocol.js';
import type { KeysAsked, ShardKey } from '../wire/shard-key.js';
import { fromWire, toWire } from '../wire/wire-error.js';

/** Who gets what a shard says that is not about one call. */
export interface ClientEvents {
  ready(): void;
  /** The slot is free again. */
  freed(call: Call): void;
  event(event: ShardEvent): void;
  /** Answers a question of the shard. Rejects with a KeylaneError. */
  ask(ask: Ask): Promise<unknown>;
}

/**
 * Talks to one thread over its port: numbers the runs, gathers commands into frames, keeps the in-flight table. The
 * table is exact: every run gets exactly one answer, or is settled by the ledger when its thread has exited.
 */
export class ShardClient implements FrameVisitor<Reply> {
  readonly shard: number;
  readonly ledger: Ledger;
  readonly #events: ClientEvents;
  readonly #outbox: Outbox<Command>;
  readonly #inFlight: (Call | undefined)[] = [];
  /** Slots that were used and are free again; those from `#slotsUsed` on never were. */
  readonly #freeSlots: number[] = [];
  #slotsUsed = 0;
  readonly #slots: number;
  readonly #stats = new Map<number, (stats: ShardStats | undefined) => void>();
  readonly #keys = new Map<number, (keys: ShardKey[] | undefined) => void>();
  readonly #releases = new Map<number, (released: boolean) => void>();
  readonly #invalidations = new Map<number, (forgotten: number) => void>();
  #lastId: number;
  #lastAsk = 0;

  /** `lastId`: the id before the first; a test begins near the wrap. */
  constructor(
    shard: number,
    port: MessagePort,
    memory: SharedArrayBuffer,
    slots: number,
    events: ClientEvents,
    lastId = 0,
  ) {
    this.shard = shard;
    this.#lastId = lastId;
    this.ledger = new Ledger(memory);
    this.#events = events;
    this.#slots = slots;
    this.#outbox = new Outbox(
      (frame) => port.postMessage(frame, [frame.buffer]),
      (command, why) => this.#unsendable(command, why),
    );
    const reader = new FrameReader<Reply>();
    port.on('message', (frame: Uint8Array) => reader.read(frame, this));
  }

  /** Hands a call over. There must be a free slot. */
  dispatch(call: Call): void {
    const slot = this.#freeSlots.pop() ?? this.#slotsUsed++;
    if (slot >= this.#slots) throw new Error('more calls in flight than slots');
    this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1;
    call.state = 'in_flight';
    call.slot = slot;
    call.id = this.#lastId;
    call.shard = this.shard;
    this.#inFlight[slot] = call;
    this.#outbox.push(call);
    if (this.#freeSlots.length === this.#slotsUsed - 1) this.#outbox.soon();
    call.events.dispatched?.(call);
  }

  /** The calls in flight, with holes. */
  get inFlight(): readonly (Call | undefined)[] {
    return this.#inFlight;
  }

  /** The key whose code runs now, or ran when the thread died; undefined where none is known. */
  get runningKey(): string | undefined {
    return this.#inFlight[this.ledger.runningSlot]?.key;
  }

  get keysInFlight(): Set<string> {
    const keys = new Set<string>();
    for (const call of this.#inFlight) if (call) keys.add(call.key);
    return keys;
  }

  /** Tells the shard that the call is not wanted any more. It is settled by the shard's answer. */
  cancel({ slot, id }: Call): void {
    this.#outbox.push({ kind: 'cancel', slot, id });
  }

  input({ slot, id }: Call, data: Uint8Array, end: boolean): void {
    this.#outbox.push({ kind: 'input', slot, id, data, end });
  }

  /** The reader has taken a chunk of so many bytes. The shard is told of many at once. */
  credit(call: Call, bytes: number): void {
    call.taken += bytes + CHUNK_COST;
    if (call.taken < TOLD_BYTES) return;
    const { slot, id, taken } = call;
    call.taken = 0;
    this.#outbox.push({ kind: 'credit', slot, id, bytes: taken });
  }

  stats(): Promise<ShardStats | undefined> {
    return new Promise((resolve) => {
      const ask = ++this.#lastAsk;
      this.#stats.set(ask, resolve);
      this.#outbox.push({ kind: 'stats', ask });
    });
  }

  keys(asked: KeysAsked): Promise<ShardKey[] | undefined> {
    return new Promise((resolve) => {
      const ask = ++this.#lastAsk;
      this.#keys.set(ask, resolve);
      this.#outbox.push({ kind: 'keys', ask, ...asked });
    });
  }

  /** Tells the shard to let go of a key. True when it has; false if it keeps it, or has died. */
  release(key: string): Promise<boolean> {
    return new Promise((resolve) => {
      const ask = ++this.#lastAsk;
      this.#releases.set(ask, resolve);
      this.#outbox.push({ kind: 'release', ask, key });
    });
  }

  /** Tells the shard what to forget. Resolves with how many answers that was, when it has; or has died, and remembers none. */
  invalidate(patterns: readonly string[]): Promise<number> {
    return new Promise((resolve) => {
      const ask = ++this.#lastAsk;
      this.#invalidations.set(ask, resolve);
      this.#outbox.push({ kind: 'invalidate', ask, patterns });
    });
  }

  drain(): void {
    this.#outbox.push({ kind: 'drain' });
    this.#outbox.flush();
  }

  /** Did the call's bytes leave its shard? Final only when the thread has exited. */
  wasSent(call: Call): boolean {
    return this.ledger.wasSent(call.slot, call.id);
  }

  /** Settles all that was in flight, by the ledger. To be called when the thread has exited. */
  threadExited(error: (call: Call, sent: boolean) => KeylaneError): void {
    for (const call of this.#inFlight) {
      if (!call) continue;
      call.settle(undefined, error(call, this.wasSent(call)));
      this.#free(call);
    }
    for (const resolve of this.#stats.values()) resolve(undefined);
    this.#stats.clear();
    for (const resolve of this.#keys.values()) resolve(undefined);
    this.#keys.clear();
    for (const resolve of this.#releases.values()) resolve(false);
    this.#releases.clear();
    for (const resolve of this.#invalidations.values()) resolve(0);
    this.#invalidations.clear();
  }

  run(): never {
    throw new Error('a shard sends no runs');
  }

  response(
    slot: number,
    id: number,
    queuedUs: number,
    openUs: number,
    runUs: number,
    reused: boolean,
    response: unknown,
    note: CacheNote | undefined,
  ): void {
    const call = this.#inFlight[slot];
    if (call?.id !== id) return;
    call.queuedUs = queuedUs;
    call.openUs = openUs;
    call.runUs = runUs;
    call.reused = reused;
    call.note = note;
    // Whoever hears of it may keep others from taking its place: told first, then free.
    call.settle(response, undefined);
    this.#free(call);
  }

  other(reply: Exclude<Reply, ResponseReply>): void {
    switch (reply.kind) {
      case 'error': {
        const call = this.#at(reply);
        if (!call) return;
        const { queuedUs, openUs, runUs, reused } = reply;
        Object.assign(call, { queuedUs, openUs, runUs, reused });
        call.settle(undefined, fromWire(reply.error, call.key));
        this.#free(call);
        break;
      }
      case 'chunk': {
        const call = this.#at(reply);
        const data = Buffer.from(reply.data.buffer, reply.data.byteOffset, reply.data.byteLength);
        call?.events.chunk?.({ channel: reply.channel, data }, call);
        break;
      }
      case 'credit':
        this.#at(reply)?.events.taken?.(reply.bytes);
        break;
      case 'ask':
        this.#answer(reply);
        break;
      case 'stats':
        this.#stats.get(reply.ask)?.(reply.stats);
        this.#stats.delete(reply.ask);
        break;
      case 'keys':
        this.#keys.get(reply.ask)?.(reply.keys);
        this.#keys.delete(reply.ask);
        break;
      case 'released':
        this.#releases.get(reply.ask)?.(reply.released);
        this.#releases.delete(reply.ask);
        break;
      case 'invalidated':
        this.#invalidations.get(reply.ask)?.(reply.forgotten);
        this.#invalidations.delete(reply.ask);
        break;
      case 'event':
        this.#events.event(reply.event);
        break;
      case 'ready':
        this.#events.ready();
        break;
      case 'drained':
        break;
      default:
        reply satisfies never;
    }
  }

  #answer(ask: Ask): void {
    this.#events.ask(ask).then(
      (value) => this.#outbox.push({ kind: 'answer', ask: ask.ask, value, error: undefined }),
      (error: KeylaneError) => this.#outbox.push({ kind: 'answer', ask: ask.ask, value: null, error: toWire(error) }),
    );
  }

  #at({ slot, id }: { slot: number; id: number }): Call | undefined {
    const call = this.#inFlight[slot];
    return call?.id === id ? call : undefined;
  }

  #free(call: Call): void {
    this.#inFlight[call.slot] = undefined;
    this.#freeSlots.push(call.slot);
    this.#events.freed(call);
  }

  #unsendable(command: Command, why: Error): void {
    if (command.kind !== 'run') throw why;
    const error = new KeylaneError('ERR_INPUT', `the request cannot be encoded: ${why.message}`, { key: command.key });
    const call = this.#at(command);
    if (!call) return;
    this.#free(call);
    call.settle(undefined, error);
  }
}
