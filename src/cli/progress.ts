import type { Clock, Outcome } from '../index.js';
import { longTime, rate } from './figures.js';
import type { Screen } from './screen.js';

/** The line is not drawn more often than this. */
const SHORTEST_MS = 100;
/** Nothing happens, but time passes: the rate and the remaining time change. */
const LONGEST_MS = 1_000;

/** What the line tells of a run. */
export interface Underway {
  /** Undefined where nobody knows. */
  readonly total: number | undefined;
  readonly settled: number;
  /** Of these, before this process began. */
  readonly settledBefore?: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** What else there is to say. */
  readonly note?: string | undefined;
  /** Begins with a bar. */
  readonly bar?: boolean;
}

/** The progress line of a run: `120/500  ok 110  failed 5  not started 5  in flight 200  42/s  eta 9 s`. */
export class Progress {
  readonly #screen: Screen;
  readonly #run: Underway;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #drawnAt: number;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: { cancel(): void } | undefined = undefined;

  constructor(screen: Screen, run: Underway, clock: Clock) {
    this.#screen = screen;
    this.#run = run;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#drawnAt = this.#startedAt;
    this.#drawAfter(SHORTEST_MS);
  }

  /** The run has changed, or something was written over the line. */
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
      this.#screen.status(progressLine(this.#run, this.#drawnAt - this.#startedAt).slice(0, this.#screen.columns - 1));
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#drawAfter(LONGEST_MS);
    });
  }
}

export function progressLine(run: Underway, elapsedMs: number): string {
  const { total, settled, settledBefore = 0, inFlight, outcomes, note } = run;
  const parts = [`${settled}/${total ?? '?'}`, `ok ${outcomes.ok}`, `failed ${outcomes.failed}`];
  parts.push(`not started ${outcomes.not_started}`);
  if (outcomes.unknown > 0) parts.push(`unknown ${outcomes.unknown}`);
  if (outcomes.canceled > 0) parts.push(`canceled ${outcomes.canceled}`);
  parts.push(`in flight ${inFlight}`);
  const done = settled - settledBefore;
  if (done > 0 && elapsedMs > 0) {
    parts.push(`${rate(done, elapsedMs)}/s`);
    if (total !== undefined) parts.push(`eta ${longTime(((total - settled) * elapsedMs) / done)}`);
  }
  if (note) parts.push(note);
  return run.bar && total ? `${bar(settled / total)} ${parts.join('  ')}` : parts.join('  ');
}

const BAR = 12;

function bar(done: number): string {
  const filled = Math.floor(done * BAR);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}]`;
}
