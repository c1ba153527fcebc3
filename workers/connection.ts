import type { Due } from '../src/util/deadlines.js';
import { Link } from '../src/util/queue.js';
import type { EndReason } from '../src/wire/protocol.js';
import type { LaneLimits } from './lane-limits.js';

/**
 *     opening ──▶ idle ⇄ busy ⇄ full ──▶ closing ──▶ gone
 *                   ⇅
 *                checking
 *
 * opening   the driver is at it; no lease yet
 * idle      no stream is leased
 * checking  no stream is leased; silent for long, it is asked for a sign of life because somebody waits for a stream
 * busy      some streams are leased, and at least one is left
 * full      all streams are leased
 * closing   takes no more leases; ended when the last one is settled (from any state but itself)
 */
export type ConnectionState = 'opening' | 'idle' | 'checking' | 'busy' | 'full' | 'closing';

/** One live session with a peer, as the pool sees it: what the driver opened, and the lists it stands in. */
export class Connection implements Due {
  /** What `driver.open` resolved with; undefined while opening. */
  value: unknown = undefined;
  state: ConnectionState = 'opening';
  /** Streams that it serves at once; may be learned to be fewer. */
  streams: number;
  leased = 0;
  /** Leases settled so far. */
  served = 0;
  /** When it began to open, and when it was open; the clock's milliseconds. */
  readonly openStarted: number;
  openEnded = 0;
  /** When it last became idle or left it. */
  since: number;
  /** Place among the connections of its pool that share its state: the list is the state. */
  readonly inState: Link<Connection> = new Link<Connection>(this);
  /** Place among the idle ones of the shard, the longest idle first. */
  readonly inIdle: Link<Connection> = new Link<Connection>(this);
  /** Among those that end on the same day. */
  readonly inCalendar: Link<Connection> = new Link<Connection>(this);
  /** Among those that have been idle for long enough on the same day, where that is sooner than for others. */
  inIdleCalendar: Link<Connection> | undefined = undefined;
  /** When its opening, or its check, takes too long. */
  dueAt = Number.POSITIVE_INFINITY;
  readonly pool: ConnectionOwner;
  /** The pool of the connection that it goes through, if there is one. */
  carrier: ConnectionOwner | undefined = undefined;
  /** Calls its opening off; gone when that is over: it is more than half of what an idle connection holds here. */
  opening: AbortController | undefined = new AbortController();

  constructor(pool: ConnectionOwner, streams: number, now: number) {
    this.pool = pool;
    this.streams = streams;
    this.openStarted = now;
    this.since = now;
  }
}

/** What the shard-wide lists need of a connection's pool. */
export interface ConnectionOwner {
  readonly limits: LaneLimits;
  /** Takes no more leases on it and ends it when the last one is settled. */
  retire(connection: Connection, why: EndReason): void;
}
