import type { Clock } from '../index.js';
import { longTime, rate } from './figures.js';
import type { Screen } from './screen.js';
import type { Tally } from './tally.js';

/** The line is not drawn more often than this. */
const SHORTEST_MS = 100;
/** Nothing happens, but time passes: the rate and the remaining time change. */
const LONGEST_MS = 1_000;

/** The progress line of a run: `120/500  ok 110  failed 5  unreached 5  in flight 200  42/s  eta 9 s`. */
export class Progress {
  readonly #screen: Screen;
  readonly #tally: Tally;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #drawnAt: number;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: { cancel(): void } | undefined = undefined;

  constructor(screen: Screen, tally: Tally, clock: Clock) {
    this.#screen = screen;
    this.#tally = tally;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#drawnAt = this.#startedAt;
    this.#drawAfter(SHORTEST_MS);
  }

  /** The tally has changed, or something was written over the line. */
  changed(): void {
    this.#drawAfter(Math.max(0, SHORTEST_MS - (this.#clock.now() - this.#drawnAt)));
  }

  stop(): void {
    this.#timer?.cancel();
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#screen.status('');
  }

  #drawAfter(ms: number): void {
    const dueAt = this.#clock.now() + ms;
    if (dueAt >= this.#dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = this.#clock.timer(ms, () => {
      this.#drawnAt = this.#clock.now();
      this.#screen.status(
        progressLine(this.#tally, this.#drawnAt - this.#startedAt).slice(0, this.#screen.columns - 1),
      );
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#drawAfter(LONGEST_MS);
    });
  }
}

export function progressLine(tally: Tally, elapsedMs: number): string {
  const { total, settled, inFlight, outcomes } = tally;
  const parts = [`${settled}/${total}`, `ok ${outcomes.ok}`, `failed ${outcomes.failed}`];
  parts.push(`unreached ${outcomes.not_started}`);
  if (outcomes.unknown > 0) parts.push(`unknown ${outcomes.unknown}`);
  if (outcomes.canceled > 0) parts.push(`canceled ${outcomes.canceled}`);
  parts.push(`in flight ${inFlight}`);
  if (settled > 0 && elapsedMs > 0) {
    parts.push(`${rate(settled, elapsedMs)}/s`, `eta ${longTime(((total - settled) * elapsedMs) / settled)}`);
  }
  return parts.join('  ');
}
