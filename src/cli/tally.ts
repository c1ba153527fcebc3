import type { Outcome } from '../index.js';

/** How far a run is. */
export class Tally {
  readonly total: number;
  readonly outcomes: Record<Outcome, number> = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
  started = 0;
  /** Of those started, how many have settled. */
  returned = 0;
  settled = 0;

  constructor(total: number) {
    this.total = total;
  }

  get inFlight(): number {
    return this.started - this.returned;
  }

  settle(outcome: Outcome): void {
    this.outcomes[outcome]++;
    this.settled++;
  }
}
