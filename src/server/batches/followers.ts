import { Watch, type WatchHost } from './watch.js';

/** Who follows which batch: one watch for all who follow the same. */
export class Followers {
  readonly #host: WatchHost;
  readonly #watches = new Map<string, { watch: Watch; followers: number }>();

  constructor(host: WatchHost) {
    this.#host = host;
  }

  /** Who follows a batch is woken by what comes back, until `left`. */
  follow(id: string): { watch: Watch; left: () => void } {
    const followed = this.#watches.get(id) ?? { watch: new Watch(id, this.#host), followers: 0 };
    this.#watches.set(id, followed);
    followed.followers++;
    const left = () => {
      if (--followed.followers > 0) return;
      followed.watch.end();
      if (this.#watches.get(id) === followed) this.#watches.delete(id);
    };
    return { watch: followed.watch, left };
  }

  changed(id: string): void {
    this.#watches.get(id)?.watch.changed();
  }

  /** Wakes everybody for good. */
  end(): void {
    for (const { watch } of this.#watches.values()) watch.end();
  }
}
