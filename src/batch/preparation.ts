import { type LearnedTimeouts, Patience } from '../adaptive/timeouts.js';
import type { BatchOptions } from '../batch-options.js';
import type { Remembered } from '../cache/second-level.js';
import { checkLabels } from '../call-options.js';
import type { Parsed } from '../types.js';
import type { BatchHost } from './host.js';
import type { Item } from './item.js';

/** What holds for a request: what it says for itself, else what its batch says. */
export class Preparation<Req> {
  readonly #host: BatchHost;
  readonly #options: BatchOptions<Req>;
  readonly #patience: Patience;
  /** By driver. */
  readonly #hosts = new Map<string, BatchHost>();

  constructor(host: BatchHost, options: BatchOptions<Req>) {
    this.#host = host;
    this.#options = options;
    this.#patience = new Patience(options, host.timeouts);
  }

  /** Whose driver it is, and how long it has. Throws `ERR_INPUT` where there is no such driver. */
  begin(item: Item<Req>): BatchHost {
    const driver = item.own?.driver;
    const host = driver === undefined ? this.#host : this.#hostOf(driver);
    item.host = host;
    item.patience = this.#patienceOf(item, host.timeouts);
    item.deadline = item.patience.deadline(host.clock.now());
    return host;
  }

  isIdempotent({ own, parsed }: Item<Req>): boolean {
    return own?.idempotent ?? this.#options.idempotent ?? parsed?.idempotent ?? false;
  }

  labelsOf({ own, request, index }: Item<Req>): readonly string[] | undefined {
    if (own?.labels) return own.labels;
    const { labels } = this.#options;
    return typeof labels === 'function' ? checkLabels(labels(request, index)) : labels;
  }

  /** How the answer is remembered, and what of it is on disk. */
  async remembered(item: Item<Req>, parsed: Parsed, host: BatchHost): Promise<Remembered | undefined> {
    const { cache } = this.#options;
    if (!cache) return undefined;
    item.plan = host.cache?.plan(parsed, cache);
    return item.plan?.persist ? host.cache?.look(item.plan, parsed) : undefined;
  }

  #hostOf(driver: string): BatchHost {
    const host = this.#hosts.get(driver) ?? this.#host.of?.(driver) ?? this.#host;
    this.#hosts.set(driver, host);
    return host;
  }

  #patienceOf({ own }: Item<Req>, learned: LearnedTimeouts): Patience {
    if (own?.timeoutMs === undefined && learned === this.#host.timeouts) return this.#patience;
    const timeoutMs = own?.timeoutMs ?? this.#options.timeoutMs;
    return new Patience(timeoutMs === undefined ? this.#options : { ...this.#options, timeoutMs }, learned);
  }
}
