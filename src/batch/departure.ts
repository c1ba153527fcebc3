import type { Clock } from '../util/clock.js';
import type { Course } from './course.js';
import { Gate, type GateOptions } from './gate.js';
import type { Item } from './item.js';
import type { Recorder } from './recorder.js';

/** Thrown where a request did not start, and no result is to be made of that. */
export const WITHDRAWN: unique symbol = Symbol('withdrawn');

/** What a request goes through before its first try leaves: may the batch start more, the gate, its intent on the disk. */
export class Departure<Req> {
  /** There where the batch has a journal that is open. */
  recorder: Recorder<Req> | undefined = undefined;
  readonly #course: Course;
  readonly #newGate: () => Gate;
  #gate: Gate | undefined = undefined;

  constructor(options: GateOptions, clock: Clock, course: Course, changed: () => void) {
    this.#course = course;
    this.#newGate = () => new Gate(options, clock, changed);
    if (options.rate !== undefined || options.window !== undefined) this.#gate = this.#newGate();
  }

  /** May one more be taken from the input? Whoever is told so has a token of the rate. */
  mayTake(): boolean {
    return this.#gate === undefined || this.#course.ending !== undefined || this.#gate.pass();
  }

  /** Gives the token back: it waits for room first. */
  putBack(): void {
    this.#gate?.putBack();
  }

  /** Throws what keeps it from starting. With a journal, resolves when its intent is on the disk. */
  start(item: Item<Req>, hasWaited: boolean): Promise<void> | undefined {
    if (this.#course.ending !== undefined) this.#refuse();
    else if (this.#gate && (hasWaited ? !this.#gate.pass() : this.#gate.isShut)) throw WITHDRAWN;
    item.hasBegun = true;
    // Of one that another process has begun there is an intent.
    return item.isInterrupted ? undefined : this.recorder?.intend(item).then(this.#leave);
  }

  pause(): void {
    this.#gate ??= this.#newGate();
    this.#gate.pause();
  }

  resume(): void {
    this.#gate?.resume();
  }

  get isPaused(): boolean {
    return this.#gate?.isPaused ?? false;
  }

  /** Nobody starts any more. */
  stop(): void {
    this.#gate?.stop();
  }

  /** One for all: they are many. */
  readonly #leave = (isWritten: boolean): void => {
    if (!isWritten) throw WITHDRAWN;
    if (this.#course.ending !== undefined) this.#refuse();
  };

  #refuse(): void {
    const { ending } = this.#course;
    if (ending === 'stopped') throw this.#course.stopped();
    if (this.recorder) throw WITHDRAWN;
    // Where it is cut, whoever it is handed to says so.
    if (ending === 'drained') throw this.#course.drained();
  }
}
