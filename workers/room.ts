import { List } from '../src/util/queue.js';
import type { Connection } from './connection.js';
import type { Pool } from './pool.js';

/** Places for connections, of a shard or of a key. A connection has its place until its resources are gone. */
export class Room {
  connections = 0;
  /** Connections that a driver is closing. */
  ending = 0;
  /** Pools that wait for a place, in the order they came. */
  readonly hungry = new List<Pool>();

  /** True if a lane other than this one waits for a place, and too few connections are on their way out. */
  isNeededBeside(pool: Pool): boolean {
    const own = pool.inHungry.list === this.hungry ? 1 : 0;
    return this.hungry.size > own && this.ending < this.hungry.size;
  }

  /** For each that waits one must be on its way out: `evict` takes one that is idle, where there is one. */
  make(longestIdle: () => Connection | undefined, evict: (connection: Connection) => void): void {
    while (this.ending < this.hungry.size) {
      const oldest = longestIdle();
      if (!oldest) return;
      evict(oldest);
    }
  }

  /** Lets those that wait grow while there are places; `most` of the one whose turn it is. */
  serve(most: (pool: Pool) => number): void {
    for (let left = this.hungry.size; left > 0; left--) {
      const { first } = this.hungry;
      if (!first || this.connections >= most(first)) return;
      this.hungry.shift()?.grow();
    }
  }
}

/** The places of one key, over all its lanes. */
export class KeyRoom extends Room {
  readonly lanes = new Set<Pool>();

  get longestIdle(): Connection | undefined {
    let longest: Connection | undefined;
    for (const { connections } of this.lanes) {
      const { oldestIdle } = connections;
      if (oldestIdle && (!longest || oldestIdle.since < longest.since)) longest = oldestIdle;
    }
    return longest;
  }
}
