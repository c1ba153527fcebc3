import type { Call } from './call.js';
import type { EngineEvent } from './events.js';
import type { Supervisor } from './host/supervisor.js';
import { shardOf } from './routing.js';

/** Keys that live elsewhere than their hash says. Past it the idle ones go home before others move. */
const MOST_MOVED = 1_024;

/**
 * Keys that live in another shard than their hash says, and the way there. A key is moved only while nothing of it waits
 * or flies: what comes then is held in the queue of its old shard, which is told to `release` it (end its connections,
 * forget it); when it says that it has, what was held goes to the new one. So a key never has two owners: until then the
 * old one has it, and if either shard dies meanwhile, or the old one has something to remember, nothing moves.
 */
export class Moves {
  readonly #shards: readonly Supervisor[];
  readonly #event: (event: EngineEvent) => void;
  readonly #owners = new Map<string, number>();
  #moving = false;

  constructor(shards: readonly Supervisor[], event: (event: EngineEvent) => void) {
    this.#shards = shards;
    this.#event = event;
  }

  ownerOf(key: string): Supervisor {
    const moved = this.#owners.size > 0 ? this.#owners.get(key) : undefined;
    return this.#shards[moved ?? shardOf(key, this.#shards.length)] as Supervisor;
  }

  /** False where it is in use, has something to remember, or one of the shards does not serve. One at a time. */
  async move(key: string, to: Supervisor): Promise<boolean> {
    const from = this.ownerOf(key);
    if (this.#moving || from === to || from.state !== 'serving' || to.state !== 'serving' || !from.client) return false;
    const home = shardOf(key, this.#shards.length) === to.shard;
    if (!from.admission.isUnused(key) || (!home && this.#isFull())) return false;
    this.#moving = true;
    from.admission.hold(key);
    const released = await from.client.release(key);
    this.#moving = false;
    // One step from here: whoever looks finds the key in the one shard or in the other.
    const moves = released && to.state === 'serving';
    const held = moves ? from.admission.takeAll(key) : [];
    from.admission.unhold(key);
    if (!moves) return false;
    if (home) this.#owners.delete(key);
    else this.#owners.set(key, to.shard);
    this.#event({ type: 'key_moved', shard: from.shard, key, to: to.shard });
    for (const call of held) submitTo(to, call);
    return true;
  }

  /** The shard has no thread and is not to be had: what was moved to it is at home again. */
  leave(shard: number): void {
    for (const [key, owner] of this.#owners) if (owner === shard) this.#owners.delete(key);
  }

  /** Before another key may move, one that is not in use goes home. */
  #isFull(): boolean {
    if (this.#owners.size < MOST_MOVED) return false;
    for (const [key, owner] of this.#owners) {
      if (!this.#shards[owner]?.admission.isUnused(key)) continue;
      void this.move(key, this.#shards[shardOf(key, this.#shards.length)] as Supervisor);
      break;
    }
    return true;
  }
}

/** It was admitted once, so the bounds on what waits do not apply. */
function submitTo({ admission }: Supervisor, call: Call): void {
  try {
    admission.submit(call, false);
  } catch (error) {
    // The engine is being closed.
    call.settle(undefined, error as Call['error']);
  }
}
