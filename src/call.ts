import type { CachePlan } from './cache/plan.js';
import type { KeylaneError } from './errors.js';
import type { GroupSet } from './groups.js';
import type { AccountBounds, Chunk, Parsed } from './types.js';
import type { Due } from './util/deadlines.js';
import { Link } from './util/queue.js';
import type { CacheNote, CachePart, RunCommand, RunMode } from './wire/protocol.js';

/** Who placed a call, and hears of it. */
export interface CallEvents {
  /** Once, with `response` or `error` set. */
  settled(call: Call): void;
  /** Pieces of a live answer. */
  chunk?(chunk: Chunk, call: Call): void;
  /** It has been handed to its shard. */
  dispatched?(call: Call): void;
  /** The shard has taken so many bytes of input. */
  taken?(bytes: number): void;
}

/**
 * One try of one request on the main thread, from hand-over to admission until it is settled, which happens once. It is
 * the `run` command too: an object a request less.
 *
 *     queued ── dispatched ──▶ in_flight ── answered, or its shard died ──▶ settled
 *        │                        └── canceled ──▶ canceling ── answered ────▶ │
 *        └───── canceled, timed out, refused ─────────────────────────────────▶ │
 */
export class Call implements RunCommand, Due {
  readonly kind = 'run';
  readonly driver: string;
  readonly key: string;
  readonly lane: string;
  readonly target: unknown;
  readonly request: unknown;
  readonly mode: RunMode;
  readonly priority: number;
  /** Milliseconds of process.hrtime; Infinity for none. */
  readonly deadline: number;
  readonly labels: readonly string[] | undefined;
  /** How its answer is remembered. */
  readonly plan: CachePlan | undefined;
  readonly cache: CachePart | undefined;
  events: CallEvents;
  /** Its answer led on: the call that is made in its place. */
  next: Call | undefined = undefined;
  /** Its caller wanted it no more while it was in flight. */
  isCalledOff = false;
  /** Of its labels those that are bounded; known to admission. */
  groups: GroupSet | undefined = undefined;
  /** About its size on the way to the shard; counted by admission. */
  bytes = 0;
  /** Of the window of its chunks: what its reader has taken, and its shard was not told of. */
  taken = 0;
  /** Which of the calls that wait it is, by when they came. */
  order = 0;
  /** When it was handed over to admission. */
  readonly submittedAt: number;
  /** When it left the queue of its key; 0 if it never waited there. */
  leftQueueAt = 0;
  /** When the main thread must look after it. */
  dueAt: number;
  state: 'queued' | 'in_flight' | 'canceling' | 'settled' = 'queued';
  /** Set at dispatch: the shard, −1 before. */
  shard = -1;
  slot = -1;
  id = 0;
  /** How it was settled. */
  response: unknown = undefined;
  error: KeylaneError | undefined = undefined;
  queuedUs = 0;
  openUs = 0;
  runUs = 0;
  reused = false;
  /** There where the call has a cache part and was answered. */
  note: CacheNote | undefined = undefined;
  /** Where it is to be struck off when it is settled: the calls of the caller's signal. */
  cancellation: { delete(call: Call): void } | undefined = undefined;
  #inQueue: Link<Call> | undefined = undefined;

  constructor(driver: string, parsed: Parsed, how: CallHow, events: CallEvents) {
    this.driver = driver;
    this.key = parsed.key;
    this.lane = parsed.lane;
    this.target = parsed.target;
    this.request = parsed.request;
    this.mode = how.mode;
    this.priority = how.priority;
    const { account } = parsed;
    this.deadline = account === undefined ? how.deadline : soonest(how, account);
    this.submittedAt = how.now;
    this.dueAt = this.deadline;
    this.labels = account?.labels === undefined ? how.labels : union(how.labels, account.labels);
    this.plan = how.plan;
    this.cache = how.plan?.part;
    this.events = events;
  }

  /** Place in the queue of its key. Made when asked for: most calls never wait. */
  get inQueue(): Link<Call> {
    this.#inQueue ??= new Link<Call>(this);
    return this.#inQueue;
  }

  get hasQueued(): boolean {
    return this.#inQueue !== undefined;
  }

  get isQueued(): boolean {
    return this.#inQueue?.list !== undefined;
  }

  /** It was answered out of memory: that took as long as it took, and says nothing of its key. */
  get isRemembered(): boolean {
    return this.note !== undefined && this.note.status !== 'miss';
  }

  /** Milliseconds that it was held on the main thread. */
  get heldMs(): number {
    return Math.max(0, this.leftQueueAt - this.submittedAt);
  }

  /** Settles it. Later settlings are ignored: an answer may cross a deadline. */
  settle(response: unknown, error: KeylaneError | undefined): void {
    if (this.state === 'settled') return;
    this.state = 'settled';
    this.response = response;
    this.error = error;
    this.cancellation?.delete(this);
    this.events.settled(this);
  }
}

export interface CallHow {
  mode: RunMode;
  priority: number;
  deadline: number;
  now: number;
  labels?: readonly string[] | undefined;
  plan?: CachePlan | undefined;
}

/** How a call is made that has so many milliseconds from now on; 0: no end. */
export function howLong(
  mode: RunMode,
  timeoutMs: number,
  now: number,
  priority = 0,
  labels?: readonly string[],
): CallHow {
  return { mode, priority, labels, deadline: timeoutMs === 0 ? Number.POSITIVE_INFINITY : now + timeoutMs, now };
}

function soonest({ deadline, now }: CallHow, { timeoutMs }: AccountBounds): number {
  return timeoutMs === undefined ? deadline : Math.min(deadline, now + timeoutMs);
}

/** Each once: a label twice would take two places of its group. */
function union(labels: readonly string[] | undefined, more: readonly string[]): readonly string[] {
  return [...new Set([...(labels ?? []), ...more])];
}
