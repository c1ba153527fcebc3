import type { Socket } from 'node:net';
import type { Clock } from '../../src/util/clock.js';
import type { Direction, Fault } from './proxy-fault.js';
import type { Timers } from './proxy-timers.js';

/** Of what a bandwidth lets through, what goes in one piece: 10 ms' worth. */
const PIECES_PER_SECOND = 100;

export interface FlowOptions {
  direction: Direction;
  from: Socket;
  to: Socket;
  fault: Fault;
  clock: Clock;
  timers: Timers;
  /** 0 ≤ x < 1 */
  random: () => number;
  /** Remembers what has been let through. */
  keeps: boolean;
  /** Nothing more is to go through, in any direction. */
  over: () => boolean;
  /** The bytes up to the cut are written. */
  cut: () => void;
}

/**
 * One direction of a connection.
 *
 *     from ──▶ delayed (each its own time, in order) ──▶ waiting ──▶ to
 *                                                          └ cut into pieces, slowed, stopped at a limit
 */
export class Flow {
  /** What has been let through, piece by piece. */
  readonly passed: Buffer[] = [];
  count = 0;
  readonly #options: FlowOptions;
  #fault: Fault;
  /** What the delay still holds, in its order. Timers may fire out of theirs: each lets the first go, whichever it is. */
  readonly #delayed: (() => void)[] = [];
  readonly #waiting: Buffer[] = [];
  #ended = false;
  /** A drain, a turn or a timer goes on with it. */
  #paused = false;
  /** By the bandwidth, when the next byte may go. */
  #nextAt = 0;

  constructor(options: FlowOptions) {
    this.#options = options;
    this.#fault = options.fault;
    const { from } = options;
    from.on('data', (data: Buffer) => this.#delay(() => this.#take(data)));
    from.on('end', () => this.#delay(() => this.#end()));
  }

  /** Nothing is held back any more. */
  heal(): void {
    this.#fault = {};
    for (const go of this.#delayed.splice(0)) go();
    this.#nextAt = 0;
    this.#paused = false;
    this.#pump();
  }

  #delay(act: () => void): void {
    const { delayMs = 0, jitterMs = 0 } = this.#fault;
    if (delayMs === 0 && jitterMs === 0 && this.#delayed.length === 0) {
      act();
      return;
    }
    this.#delayed.push(act);
    this.#options.timers.set(delayMs + jitterMs * this.#options.random(), () => this.#delayed.shift()?.());
  }

  #take(data: Buffer): void {
    if (this.#options.over()) return;
    this.#waiting.push(data);
    this.#pump();
  }

  #end(): void {
    this.#ended = true;
    this.#pump();
  }

  #pump(): void {
    const { from, to, over } = this.#options;
    while (!this.#paused && this.#waiting.length > 0 && !over()) {
      const size = this.#size(this.#waiting[0] as Buffer);
      if (size === 0) break;
      this.#pass(this.#next(size));
    }
    if (over()) return;
    if (this.#waiting.length > 0 || this.#paused) from.pause();
    else if (this.#ended) this.#close(to);
    else from.resume();
  }

  /** How much of it may go as one piece. */
  #size(data: Buffer): number {
    const { direction, random } = this.#options;
    const { cut, limit, sliceBytes, bytesPerSecond } = this.#fault;
    const until = (end: number | undefined) => (end === undefined ? data.length : Math.max(0, end - this.count));
    return Math.min(
      data.length,
      until(cut?.direction === direction ? cut.after : undefined),
      until(limit?.[direction]),
      sliceBytes === undefined ? data.length : 1 + Math.floor(random() * sliceBytes),
      bytesPerSecond === undefined ? data.length : Math.ceil(bytesPerSecond / PIECES_PER_SECOND),
    );
  }

  #next(size: number): Buffer {
    const [data] = this.#waiting as [Buffer];
    if (size === data.length) this.#waiting.shift();
    else this.#waiting[0] = data.subarray(size);
    return data.subarray(0, size);
  }

  #pass(piece: Buffer): void {
    const { to, direction, keeps, cut } = this.#options;
    this.count += piece.length;
    if (keeps) this.passed.push(piece);
    const planned = this.#fault.cut;
    if (planned?.direction === direction && this.count >= planned.after) {
      this.#options.from.pause();
      // A reset throws away what the kernel still holds, so the cut waits until the last bytes are handed over.
      to.write(piece, cut);
    } else if (!to.write(piece)) {
      this.#pauseUntil((go) => to.once('drain', go));
    } else {
      this.#slow(piece.length);
    }
  }

  /** Before the next piece: the time that this one takes, or a turn of the event loop so that they arrive apart. */
  #slow(bytes: number): void {
    const { clock, timers } = this.#options;
    const { bytesPerSecond, sliceBytes } = this.#fault;
    if (bytesPerSecond !== undefined) {
      const now = clock.now();
      this.#nextAt = Math.max(now, this.#nextAt) + (bytes * 1_000) / bytesPerSecond;
      // Below a millisecond no timer is exact; it adds up.
      if (this.#nextAt - now >= 1) this.#pauseUntil((go) => timers.set(this.#nextAt - now, go));
      else if (sliceBytes !== undefined) this.#pauseUntil(setImmediate);
    } else if (sliceBytes !== undefined) {
      this.#pauseUntil(setImmediate);
    }
  }

  #pauseUntil(tell: (go: () => void) => unknown): void {
    this.#paused = true;
    tell(() => {
      this.#paused = false;
      this.#pump();
    });
  }

  #close(to: Socket): void {
    const end = () => this.#options.over() || to.end();
    const { closeDelayMs } = this.#fault;
    if (closeDelayMs === undefined) end();
    else this.#options.timers.set(closeDelayMs, end);
  }
}
