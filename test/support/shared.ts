import { Admission, Shared } from '../../src/admission.ts';
import { Call } from '../../src/call.ts';

export interface SharedBounds {
  inFlight: number;
  bytesInFlight: number;
  queued: number;
  inFlightPerKey: number;
  queuedPerKey: number;
  groups: Record<string, number>;
  shards: number;
}

/** What the admissions of an engine share, with nothing bounded that a test does not bound. */
export function sharedWith(bounds: Partial<SharedBounds> = {}): Shared {
  const none = 1_000_000;
  const { inFlight = none, queued = none, inFlightPerKey = none, queuedPerKey = none, shards = 1 } = bounds;
  const { groups = {}, bytesInFlight = Number.POSITIVE_INFINITY } = bounds;
  return new Shared({ inFlight, bytesInFlight, queued }, groups, { inFlightPerKey, queuedPerKey }, shards);
}

export interface CallShape {
  shard?: number;
  priority?: number;
  labels?: string[];
  /** About the bytes of its request. */
  bytes?: number;
  bounded?: boolean;
}

/** The admissions of an engine without its shards: what they dispatch is noted, in the order it went. */
export class Admissions {
  readonly shared: Shared;
  readonly all: Admission[];
  /** Every call that was dispatched. */
  readonly sent: Call[] = [];
  readonly #flying = new Map<Call, Admission>();
  readonly #owners = new Map<Call, Admission>();

  constructor(bounds: Partial<SharedBounds> = {}) {
    this.shared = sharedWith(bounds);
    this.all = Array.from({ length: bounds.shards ?? 1 }, () => {
      const admission: Admission = new Admission(this.shared, (call) => {
        this.sent.push(call);
        this.#flying.set(call, admission);
      });
      admission.open();
      return admission;
    });
  }

  submit(key: string, { shard = 0, priority = 0, labels, bytes = 0, bounded = true }: CallShape = {}): Call {
    const how = { mode: 'once' as const, priority, deadline: Number.POSITIVE_INFINITY, now: 0, labels };
    const request = 'x'.repeat(bytes);
    const call = new Call('echo', { key, lane: '', target: '', request }, how, { settled() {} });
    this.all[shard]!.submit(call, bounded);
    this.#owners.set(call, this.all[shard]!);
    return call;
  }

  /** The calls in flight, the oldest first. */
  get flying(): Call[] {
    return [...this.#flying.keys()];
  }

  /** A call in flight is over. */
  end(call: Call): void {
    const admission = this.#flying.get(call);
    if (!admission) throw new Error('not in flight');
    this.#flying.delete(call);
    admission.freed(call);
  }

  abandon(call: Call): void {
    this.#owners.get(call)?.abandon(call);
  }

  /** In flight of each group. */
  get groups(): Record<string, number> {
    const groups = Object.entries(this.shared.groups.snapshot());
    return Object.fromEntries(groups.map(([name, { inFlight }]) => [name, inFlight]));
  }

  get waiting(): Call[] {
    return this.all.flatMap((admission) => [...admission.calls()]);
  }
}
