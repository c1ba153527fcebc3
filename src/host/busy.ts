/** How long a thread's event loop has been at work and idle since it began, in milliseconds. */
export interface LoopTime {
  active: number;
  idle: number;
}

/** The share of its time that a thread was at work between two readings of its event loop's utilization. */
export class Busy {
  /** 0 … 1, between the last two readings. */
  share = 0;
  readonly #read: () => LoopTime;
  #last: LoopTime = { active: 0, idle: 0 };

  constructor(read: () => LoopTime) {
    this.#read = read;
  }

  look(): void {
    const now = this.#read();
    const active = now.active - this.#last.active;
    const passed = active + now.idle - this.#last.idle;
    if (passed > 0) this.share = active / passed;
    this.#last = now;
  }
}
