import type { Call } from '../call.js';
import type { CacheOptions, Parsed, Spec } from '../types.js';
import type { CacheFront } from './front.js';
import { type CachePlan, planAfter } from './plan.js';
import type { Remembered } from './second-level.js';

/** Hands over one try of a request for whose answer nobody waits. Throws what keeps it from that. */
export type Fetch = (parsed: Parsed, plan: CachePlan, settled: (call: Call) => void) => void;

/** The cache, as the requests of one driver use it. */
export class DriverCache {
  readonly #front: CacheFront;
  readonly #driver: string;
  readonly #spec: Spec;
  readonly #fetch: Fetch;

  constructor(front: CacheFront, driver: string, spec: Spec, fetch: Fetch) {
    this.#front = front;
    this.#driver = driver;
    this.#spec = spec;
    this.#fetch = fetch;
  }

  /** Throws `ERR_INPUT` where the request has no fixed form. */
  plan(parsed: Parsed, options: true | CacheOptions): CachePlan {
    return this.#front.plan(this.#driver, this.#asked(parsed), options);
  }

  /** The plan of a request that another one led on to; undefined where it has no fixed form. */
  planAfter(plan: CachePlan, parsed: Parsed): CachePlan | undefined {
    try {
      return planAfter(plan, this.#driver, this.#asked(parsed));
    } catch {
      return undefined;
    }
  }

  /** What the disk has for a plan that persists: behind a stale answer another is fetched. */
  async look(plan: CachePlan, parsed: Parsed): Promise<Remembered | undefined> {
    const found = await this.#front.look(plan);
    if (found?.status === 'stale') this.#refresh(plan, parsed);
    return found;
  }

  /** A call by this plan is settled. */
  heard(plan: CachePlan, call: Call): void {
    this.#front.heard(plan, call, (response) => this.#spec.ok(response));
  }

  /** Has everybody forget what these patterns name. Never rejects. */
  forget(patterns: readonly string[]): Promise<number> {
    return this.#front.forget(patterns);
  }

  #asked(parsed: Parsed): Parsed {
    return this.#spec.same ? { ...parsed, request: this.#spec.same(parsed.request) } : parsed;
  }

  #refresh(plan: CachePlan, parsed: Parsed): void {
    const again = this.#front.refresh(plan);
    if (!again) return;
    try {
      this.#fetch(parsed, again, (call) => {
        this.heard(call.plan ?? again, call);
        this.#front.refreshed(again);
      });
    } catch {
      // The old answer is given as it is; who asks next tries again.
      this.#front.refreshed(again);
    }
  }
}
