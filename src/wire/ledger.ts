/**
 * The only memory that two threads share: a few words in which a shard notes what it has let go out. The shard alone
 * writes, the main thread alone reads, and reads for a verdict only when the thread has exited.
 *
 *     word 0       heartbeat: counts up while the shard's event loop turns
 *     word 1       the slot whose code is running, plus one; 0 for none
 *     word 2 + s   id of the last run in slot s whose bytes left
 *
 * A message could not do this: a thread can die between two frames, with the bytes gone and the frame not yet sent.
 */
const HEARTBEAT = 0;
const RUNNING = 1;
const SLOTS = 2;

export class Ledger {
  readonly #words: Uint32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Uint32Array(memory);
  }

  static memory(slots: number): SharedArrayBuffer {
    return new SharedArrayBuffer((SLOTS + slots) * Uint32Array.BYTES_PER_ELEMENT);
  }

  /** Shard: the bytes of this run are about to leave. Never cleared: the next run in the slot has another id. */
  sent(slot: number, id: number): void {
    Atomics.store(this.#words, SLOTS + slot, id);
  }

  /** Main thread: did the bytes of this run leave? */
  wasSent(slot: number, id: number): boolean {
    return Atomics.load(this.#words, SLOTS + slot) === id;
  }

  /** Shard: the code of this slot runs from now on (−1: of none). */
  running(slot: number): void {
    this.#words[RUNNING] = slot + 1;
  }

  /** Main thread: the slot whose code was running, or −1. */
  get runningSlot(): number {
    return Atomics.load(this.#words, RUNNING) - 1;
  }

  beat(): void {
    Atomics.add(this.#words, HEARTBEAT, 1);
  }

  get beats(): number {
    return Atomics.load(this.#words, HEARTBEAT);
  }
}
