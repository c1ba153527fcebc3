import type { Journal } from '../batch-types.js';
import type { Outcome, Result } from '../types.js';
import { digestOf } from './digest.js';
import type { Item } from './item.js';
import type { Input } from './source.js';

/** How a batch comes to its journal. */
export interface JournalHost {
  id: string;
  /** Called once, when the batch begins. */
  open(): Promise<Journal>;
  /** It is closed, or never was open. */
  ended(): void;
}

/** A batch's side of its journal. When that has failed once nothing more is said to be on the disk. */
export class Recorder<Req> {
  readonly #journal: Journal;
  readonly #wantsDigest: boolean;
  readonly #failed: (error: Error) => void;
  #isBroken = false;
  #recording = 0;

  constructor(journal: Journal, { kind, from }: Input<Req>, failed: (error: Error) => void) {
    this.#journal = journal;
    this.#wantsDigest = kind !== 'source' || from.identity === undefined;
    this.#failed = failed;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Results on their way to the disk. */
  get recording(): number {
    return this.#recording;
  }

  /** What it is known again by, whichever process makes it. */
  markOf({ index }: Item<Req>): string | undefined {
    const { mark } = this.#journal;
    return mark && `${mark}/${index}`;
  }

  /** Resolves with true when its intent is on the disk, with false where it never will be. Throws `ERR_INPUT`. */
  intend(item: Item<Req>): Promise<boolean> {
    const digest = this.#wantsDigest ? digestOf(item.own?.driver, item.request) : undefined;
    return this.#journal.begin(item.index, digest).then(this.#written, this.#refused);
  }

  /** What has an intent and never left. Of one that another process has begun nobody knows that. */
  withdraw(item: Item<Req>): void {
    if (!item.hasBegun || item.isInterrupted || this.#isBroken) return;
    item.hasBegun = false;
    this.#journal.withdraw(item.index);
  }

  /** The same of its result. */
  settle(result: Result): Promise<boolean> {
    this.#recording++;
    return this.#journal.settle(result).then(this.#settled, this.#settledNot);
  }

  /** One of each for all: what a request leaves behind while it waits for the disk is what the garbage collector copies. */
  readonly #written = (): boolean => !this.#isBroken;

  readonly #refused = (error: Error): boolean => {
    this.#isBroken = true;
    this.#failed(error);
    return false;
  };

  readonly #settled = (): boolean => {
    this.#recording--;
    return this.#written();
  };

  readonly #settledNot = (error: Error): boolean => {
    this.#recording--;
    return this.#refused(error);
  };
}

/** How a request ended in an earlier process. */
export function outcomeIn(journal: Journal | undefined, index: number): Outcome | undefined {
  const known = journal?.known(index) ?? 'new';
  return known === 'new' || known === 'begun' ? undefined : known;
}
