import type { Supervisor } from './host/supervisor.js';
import type { Moves } from './moves.js';
import type { Clock, Timer } from './util/clock.js';
import type { TopKeys } from './wire/protocol.js';

const LOOK_MS = 1_000;
/** A shard is hot when it is busier than this for several looks, and another is less busy by at least the gap. */
const HOT = 0.85;
const GAP = 0.3;
const LOOKS = 3;
/** Looks without a move after one: the figures of keys are of the last ten seconds. */
const REST = 10;
/** A key with less of the shard's requests is not worth its reconnects. */
const LEAST_SHARE = 0.02;

/** Moves keys from a shard that is hot to one that is not, one at a time. */
export class Balancer {
  readonly #clock: Clock;
  readonly #shards: readonly Supervisor[];
  readonly #moves: Moves;
  #timer: Timer | undefined = undefined;
  #hot: Supervisor | undefined = undefined;
  #looks = 0;

  constructor(clock: Clock, shards: readonly Supervisor[], moves: Moves) {
    this.#clock = clock;
    this.#shards = shards;
    this.#moves = moves;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.timer(LOOK_MS, () => {
      this.#arm();
      this.#look();
    });
  }

  #look(): void {
    const serving = this.#shards.filter(({ state }) => state === 'serving').sort((a, b) => b.busy - a.busy);
    const [hot] = serving;
    const light = serving.at(-1);
    if (!hot || !light || hot.busy < HOT || hot.busy - light.busy < GAP) {
      this.#hot = undefined;
      return;
    }
    if (hot !== this.#hot) {
      this.#hot = hot;
      this.#looks = 0;
    }
    this.#looks++;
    if (this.#looks >= LOOKS) void this.#relieve(hot, light);
  }

  async #relieve(hot: Supervisor, light: Supervisor): Promise<void> {
    const inside = await hot.stats();
    if (!inside || hot !== this.#hot || this.#looks < LOOKS) return;
    for (const key of worthMoving(inside.topKeys, hot.busy, light.busy)) {
      if (!(await this.#moves.move(key, light))) continue;
      this.#looks = LOOKS - REST;
      return;
    }
  }
}

/** Keys that are worth their reconnects, and would not make the other shard as hot as this one: the largest first. */
export function worthMoving({ byRequests, requests }: TopKeys, hot: number, light: number): string[] {
  const most = (hot - light) / hot;
  return byRequests
    .map(({ key, requests: own }) => ({ key, share: own / requests }))
    .filter(({ share }) => share >= LEAST_SHARE && share < most)
    .map(({ key }) => key);
}
