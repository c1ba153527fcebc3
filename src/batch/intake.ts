import type { Outcome } from '../types.js';
import { isThenable } from '../util/thenable.js';
import type { After } from './after.js';
import type { Item } from './item.js';
import { BARRIER, type Source, type Taken } from './source.js';

/** What taking asks of its batch. */
export interface IntakeControl<Req> {
  /** Is there room for one more, and may it start? Whoever is told so takes one. */
  mayTake(): boolean;
  take(item: Item<Req>): void;
  /** It was a barrier that was taken. */
  tookNone(): void;
  /** Nothing that was taken is unsettled. */
  isSettled(): boolean;
  failed(error: Error): void;
  changed(): void;
}

/**
 * What a batch takes its requests from: first those that were taken before and could not start then, those that waited for
 * others and need not any more, then the source; and nothing of that beyond a barrier before all is settled.
 */
export class Intake<Req> {
  readonly #control: IntakeControl<Req>;
  readonly #again: Item<Req>[] = [];
  #source: Source<Req> | undefined = undefined;
  #after: After<Req> | undefined = undefined;
  #isFilling = false;
  #isBarred = false;
  /** After this barriers and dependencies hold nobody up: nothing starts any more. */
  #isFree = false;
  #isEnded = false;
  #isExhausted = false;
  #endTaking: (() => void) | undefined = undefined;

  constructor(control: IntakeControl<Req>) {
    this.#control = control;
  }

  open(source: Source<Req>, after: After<Req> | undefined): void {
    this.#source = source;
    this.#after = after;
    if (this.#isEnded) this.#endSource();
  }

  get isOpen(): boolean {
    return this.#source !== undefined;
  }

  /** Nothing more comes from the source. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The source said so by itself. */
  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Nothing is to be taken any more. */
  get isEmpty(): boolean {
    return this.#isEnded && !this.#isFilling && this.#again.length === 0 && (this.#after?.size ?? 0) === 0;
  }

  /** Takes while there is room. One at a time: an asynchronous input is not asked twice at once. */
  async fill(): Promise<void> {
    if (this.#isFilling || !this.#source) return;
    this.#isFilling = true;
    let hasAsked = false;
    try {
      this.#lookBehind();
      while ((this.#hasAgain || !(this.#isBarred || this.#isEnded)) && this.#control.mayTake()) {
        hasAsked = true;
        let taken: Taken<Req> = this.#again.shift() ?? this.#after?.takeFree();
        if (!taken) {
          const answer = this.#source.next();
          taken = isThenable(answer) ? await this.#orEnded(answer) : answer;
        }
        this.#took(taken);
        this.#lookBehind();
      }
    } catch (error) {
      this.#isEnded = true;
      this.#control.failed(error as Error);
    }
    this.#isFilling = false;
    // Only where something changed: two readers that find nothing would wake each other for ever.
    if (hasAsked) this.#control.changed();
  }

  /** It could not start, and is to be taken again. */
  putBack(item: Item<Req>): void {
    item.isAgain = true;
    this.#again.push(item);
  }

  /** Its result is safe: others may wait for it. */
  settled(item: Item<Req>, outcome: Outcome): void {
    this.#after?.settled(item, outcome);
  }

  /** Nobody waits for others any more, or for a barrier. */
  free(): void {
    this.#isFree = true;
    this.#isBarred = false;
    this.#after?.freeAll();
  }

  /** Takes no more from the source. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#endTaking?.();
    this.#endSource();
  }

  /** All that was taken and is not to be taken again. */
  letGo(): Item<Req>[] {
    this.free();
    const items = this.#again.splice(0);
    for (let item = this.#after?.takeFree(); item; item = this.#after?.takeFree()) items.push(item);
    return items;
  }

  get #hasAgain(): boolean {
    return this.#again.length > 0 || (this.#after?.hasFree ?? false);
  }

  #took(taken: Taken<Req>): void {
    if (taken === undefined) {
      // Unless it was told to end.
      this.#isExhausted ||= !this.#isEnded;
      this.#isEnded = true;
    } else if (taken === BARRIER) {
      this.#isBarred = !this.#isFree;
      this.#control.tookNone();
    } else if (this.#isFree || !this.#after?.holds(taken)) {
      this.#control.take(taken);
    }
  }

  /** Where nothing is left of what was taken, the barrier is open, and who still waits for others waits in vain. */
  #lookBehind(): void {
    if (!this.#control.isSettled() || this.#hasAgain) return;
    this.#isBarred = false;
    if (this.#isEnded) this.#after?.refuseAll();
  }

  /** An input that never answers must not keep a batch that was called off. */
  #orEnded(answer: PromiseLike<Taken<Req>>): Promise<Taken<Req>> {
    return new Promise((resolve, reject) => {
      this.#endTaking = () => resolve(undefined);
      if (this.#isEnded) this.#endTaking();
      answer.then(resolve, reject);
    });
  }

  /** Not awaited: a generator that waits for something inside answers only when that comes. */
  #endSource(): void {
    void this.#source?.end().catch(() => {});
  }
}
