import { LearnedTimeouts } from './adaptive/timeouts.js';
import { DriverCache, type Fetch } from './cache/driver-cache.js';
import type { CacheFront } from './cache/front.js';
import { RequestMeter } from './meter.js';
import type { Spec } from './types.js';

/** A driver as the main thread knows it: its spec, and what is learned, counted and remembered of its requests. */
export class KnownDriver {
  readonly name: string;
  readonly spec: Spec;
  readonly cache: DriverCache;
  /** What its keys took. */
  readonly timeouts = new LearnedTimeouts();
  readonly meter = new RequestMeter();

  constructor(name: string, spec: Spec, front: CacheFront, fetch: (driver: string) => Fetch) {
    this.name = name;
    this.spec = spec;
    this.cache = new DriverCache(front, name, spec, fetch(name));
  }
}
