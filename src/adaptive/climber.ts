export interface ClimbBounds {
  start: number;
  floor: number;
  ceiling: number;
  /**
   * Above it more in flight must pay; up to it less in flight must.
   */
  ease: number;
  /** The factor of the first rounds. */
  leap: number;
}

/** What a round has shown. */
export interface Round {
  /** In flight, on average. */
  load: number;
  /** Answers for each millisecond. */
  rate: number;
  /** Standard error of the rate's logarithm. */
  error: number;
}

/** One per cent more in flight must give so many per cent more answers, else it is not worth having. */
const WORTH = 0.1;
/** Up to `ease`: so much less throughput from more in flight is harm. */
const HARM = -0.15;
/** The first rounds leap. One whose gradient is less than this went too far. */
const WORTH_A_LEAP = 0.3;
/** The step for a gradient of one, in logarithms. */
const LONGEST_STEP = 0.5;
const FIRST_STEP = 0.25;
const SHORTEST_STEP = 0.06;
const LONGER = 1.4;
const SHORTER = 0.5;
/** The two sides that are compared stand so far from the middle. */
const LEAST_SPREAD = 0.05;
const MOST_SPREAD = 0.15;
/** Two rounds whose load is closer than this say nothing about a gradient. */
const TOO_NEAR = 0.03;
/** What a gradient of throughput over load can be, and a bit: the rest is the peer's own change. */
const STEEPEST = 1.5;
/** A round so much worse than the best one (in logarithms, beside what chance does) goes back to it at once. */
const MUCH_WORSE = 0.15;
/**
 * What is left of the load that was refused, and where about as much was refused before; how near the middle and the limit
 * may come to it again; and how much nearer with each round, which adds up (as in CUBIC: S. Ha, I. Rhee, L. Xu, 2008).
 * Measured on peers that refuse past 8 to 300, after 50 to 400 ms: 0.93 of all that they could answer, 1 to 2 % refused.
 * With a quarter less each time and twice as far away: 0.87, and as many refused.
 */
const AFTER_REFUSAL = 0.75;
const AFTER_KNOWN_REFUSAL = 0.9;
const NEAR_REFUSAL = 0.95;
const BELOW_REFUSAL = 0.97;
const NEARER = 0.0015;
/** Of a refused load below this it comes nearer as if it had been this: by whole requests, not by parts of one. */
const FEW = 50;
/** Rounds whose load is as close as this are about the same load. */
const SAME_LOAD = 0.1;

/**
 * How many to have in flight, found by trying. At first each round leaps, until a leap no longer pays (the slow start of
 * V. Jacobson, Congestion Avoidance and Control, 1988). Then a round a little below the middle, a round a little above it,
 * and a step of the middle in the direction that pays, by how much it pays (stochastic hill climbing: J. Kiefer and
 * J. Wolfowitz, Stochastic Estimation of the Maximum of a Regression Function, 1952). The step grows while the direction
 * holds and halves when it turns (M. Riedmiller and H. Braun, RPROP, 1993). A refusal takes a quarter away at once, one
 * that was to be expected a tenth (multiplicative decrease: D.-M. Chiu and R. Jain, Analysis of the Increase and
 * Decrease Algorithms for Congestion Avoidance, 1989).
 *
 * The gradient is one of logarithms: 1 where twice the load gives twice the throughput, 0 where it only waits longer,
 * below 0 where it does harm. TCP Vegas and Netflix's Gradient2 ask how far the latency is above its least or its
 * average instead. That was weighed and left: with commands that take 1 to 100 ms the least says that nearly all of the
 * time is queueing, and an average that follows a queue never sees it.
 */
export class Climber {
  readonly #bounds: ClimbBounds;
  #leaping = true;
  #middle: number;
  #step = FIRST_STEP;
  #direction = 0;
  #above = false;
  #last: Round | undefined = undefined;
  #best: Round | undefined = undefined;
  /** The load that was refused last; forgotten ever faster. And the limit at which that was. */
  #refused = Number.POSITIVE_INFINITY;
  #refusedAt = Number.POSITIVE_INFINITY;
  #sinceRefusal = 0;
  /** Of the last round: the less is sure, the farther apart the two sides. */
  #error = 0;
  #limit: number;

  constructor(bounds: ClimbBounds) {
    this.#bounds = bounds;
    this.#middle = bounds.start;
    this.#limit = bounds.start;
  }

  get limit(): number {
    return this.#limit;
  }

  /** The first rounds, which only look for the order of magnitude. */
  get leaping(): boolean {
    return this.#leaping;
  }

  round(round: Round): void {
    const last = this.#last;
    this.#last = round;
    this.#refused += NEARER * ++this.#sinceRefusal * Math.max(this.#refused, FEW);
    const worse = this.#best && round.load > this.#best.load && muchWorse(round, this.#best);
    const gradient = last ? gradientOf(last, round) : undefined;
    this.#error = round.error;
    if (this.#leaping) this.#leap(last, round, gradient);
    else if (worse && this.#best) this.#goBack(this.#best);
    else if (last && gradient !== undefined) {
      const wanted = this.#middle > this.#bounds.ease ? WORTH : HARM;
      this.#move((gradient - wanted) * sureness(last, round));
    }
    this.#remember(round);
    this.#above = !this.#above;
    this.#turn();
  }

  /** The next round is not like the last one: nothing to compare with. */
  forget(): void {
    this.#last = undefined;
    this.#best = undefined;
  }

  /** The peer refuses, or does not answer in time. */
  cut(): void {
    const known = Math.abs(Math.log(this.#limit / this.#refusedAt)) < SAME_LOAD;
    this.#refusedAt = this.#limit;
    this.#refused = this.#limit;
    this.#sinceRefusal = 0;
    this.#goBack({ load: this.#limit * (known ? AFTER_KNOWN_REFUSAL : AFTER_REFUSAL) });
    this.forget();
    this.#turn();
  }

  #leap(last: Round | undefined, round: Round, gradient: number | undefined): void {
    if (last && gradient !== undefined && gradient < WORTH_A_LEAP) {
      // Where the throughput would have been reached, had it grown with the load until then; or as far below.
      this.#goBack({ load: last.load * (round.rate / last.rate) });
      if (gradient < 0) this.#step = FIRST_STEP;
    } else {
      this.#middle = this.#within(Math.max(this.#middle, this.#bounds.leap * round.load));
    }
  }

  #goBack({ load }: { load: number }): void {
    this.#leaping = false;
    this.#middle = this.#within(load);
    this.#step = Math.max(this.#step * SHORTER, SHORTEST_STEP);
    this.#direction = -1;
    this.#above = true;
    this.#last = undefined;
  }

  #move(pays: number): void {
    const direction = Math.sign(pays);
    const turned = this.#direction !== 0 && direction !== this.#direction;
    this.#step = turned ? Math.max(this.#step * SHORTER, SHORTEST_STEP) : Math.min(this.#step * LONGER, LONGEST_STEP);
    this.#direction = direction;
    this.#middle = this.#within(this.#middle * Math.exp(this.#step * pays));
  }

  #remember(round: Round): void {
    const best = this.#best;
    // The same load again: what it gives now is what counts.
    if (!best || round.rate >= best.rate || Math.abs(Math.log(round.load / best.load)) < SAME_LOAD) this.#best = round;
  }

  #turn(): void {
    const { floor, ceiling } = this.#bounds;
    if (this.#leaping) {
      this.#limit = Math.round(this.#middle);
      return;
    }
    const spread = Math.min(MOST_SPREAD, Math.max(LEAST_SPREAD, this.#step / 2, this.#error));
    const low = Math.max(floor, Math.round(this.#middle * (1 - spread)));
    const high = Math.max(low + 1, Math.round(this.#middle * (1 + spread)));
    const refused = Math.max(floor, Math.floor(this.#refused * BELOW_REFUSAL));
    this.#limit = Math.min(ceiling, refused, this.#above ? high : low);
  }

  #within(middle: number): number {
    const { floor, ceiling } = this.#bounds;
    return Math.min(ceiling, Math.max(floor, Math.min(middle, this.#refused * NEAR_REFUSAL)));
  }
}

function muchWorse(round: Round, best: Round): boolean {
  return Math.log(best.rate / round.rate) > MUCH_WORSE + 3 * Math.hypot(round.error, best.error);
}

/** 1 where chance has no part in the difference, 0 where it is all chance. */
function sureness(a: Round, b: Round): number {
  const apart = Math.log(b.load / a.load) ** 2;
  return apart / (apart + a.error ** 2 + b.error ** 2);
}

/** Per cent of throughput for a per cent of load; undefined where the loads are too near. */
function gradientOf(a: Round, b: Round): number | undefined {
  const apart = Math.log(b.load / a.load);
  if (!(Math.abs(apart) >= TOO_NEAR && a.rate > 0 && b.rate > 0)) return undefined;
  return Math.min(STEEPEST, Math.max(-STEEPEST, Math.log(b.rate / a.rate) / apart));
}
