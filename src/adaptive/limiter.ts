import { type ClimbBounds, Climber } from './climber.js';

export interface LimiterBounds extends ClimbBounds {
  /** A round takes at least so long: of what answers at once a round would be a few microseconds of noise. */
  roundMs: number;
}

/** One try that is over. */
export interface Sample {
  startedAt: number;
  now: number;
  /** Milliseconds that it took, in the reading that the limiter is about. */
  tookMs: number;
  /** The peer answered, yes or no. */
  answered: boolean;
  /** The peer refused it, or did not answer in time. */
  refused: boolean;
  /** It had to open a connection. Rounds of such are not compared with rounds of others. */
  cold: boolean;
}

const LEAST_SAMPLES = 6;
/** So many of those in flight make a round. */
const PART = 0.75;
/** So many of those in flight may be refused: one command in a hundred that hangs is no sign of a full peer. */
const REFUSED = 0.05;
/** With less than this part of the limit in flight, it was not the limit that bound. */
const FULL = 0.75;
/** Added to what a try took: below a millisecond are the clock's ticks and the event loop, not the peer. */
const SLACK_MS = 1;

/**
 * How many may be in flight at once, from how long each took. A round ends when half as many as may be in flight have
 * begun in it and are over. Its throughput is what Little's law says it is (J. D. C. Little, A Proof for the Queuing
 * Formula L = λW, 1961): in flight ÷ mean time. Counting answers by the clock was tried: those of a peer of fixed latency
 * come in bursts, and a window holds two of them or three.
 */
export class Limiter {
  readonly #climber: Climber;
  readonly #roundMs: number;
  /** What began before does not count as pushed back: it was under way when the last one was. */
  #cutAt = Number.NEGATIVE_INFINITY;
  #roundAt = Number.NEGATIVE_INFINITY;
  /** What began before does not belong to the round. */
  #from = 0;
  /** More are in flight than the new limit: the round begins when they are gone. */
  #draining = false;
  #warm = new Mean();
  #cold = new Mean();
  #inFlight = 0;
  #changedAt = 0;
  /** In flight × milliseconds of the round. */
  #area = 0;
  #refusals = 0;
  #answered = 0;
  #wasCold = false;

  constructor(bounds: LimiterBounds) {
    this.#climber = new Climber(bounds);
    this.#roundMs = bounds.roundMs;
  }

  get limit(): number {
    return this.#climber.limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  began(now: number): void {
    if (this.#roundAt === Number.NEGATIVE_INFINITY) this.#begin(now);
    this.#count(now, 1);
  }

  settled({ startedAt, now, answered, refused, cold, tookMs }: Sample): void {
    this.#count(now, -1);
    if (refused && startedAt > this.#cutAt && ++this.#refusals > REFUSED * this.limit) {
      this.#cutAt = now;
      this.#climber.cut();
      this.#begin(now);
      return;
    }
    if (startedAt < this.#from || this.#draining) return;
    if (answered) this.#answered++;
    (cold ? this.#cold : this.#warm).add(tookMs + SLACK_MS);
    const enough = Math.max(LEAST_SAMPLES, this.limit * PART);
    if (this.#warm.count + this.#cold.count >= enough && now - this.#roundAt >= this.#roundMs) this.#end(now);
  }

  /** It never got to the peer: it says nothing. */
  gone(now: number): void {
    this.#count(now, -1);
  }

  #count(now: number, change: number): void {
    this.#area += this.#inFlight * (now - this.#changedAt);
    this.#changedAt = now;
    this.#inFlight += change;
    if (this.#draining && this.#inFlight <= this.limit) this.#begin(now);
  }

  #end(now: number): void {
    const cold = this.#cold.count > this.#warm.count;
    const count = this.#cold.count + this.#warm.count;
    const load = this.#area / (now - this.#roundAt);
    const { mean, error } = cold ? this.#cold : this.#warm;
    if (cold !== this.#wasCold) this.#climber.forget();
    this.#wasCold = cold;
    if (load < FULL * this.limit) this.#climber.forget();
    else this.#climber.round({ load, rate: ((load / mean) * this.#answered) / count, error });
    this.#begin(now);
  }

  #begin(now: number): void {
    this.#roundAt = now;
    this.#draining = this.#inFlight > this.limit;
    // Those that a higher limit lets in at once meet a queue that is still short. They would say that more costs nothing,
    // and on a peer that is full the limit would climb for ever.
    this.#from = this.#climber.leaping ? now : now + SLACK_MS;
    this.#warm = new Mean();
    this.#cold = new Mean();
    this.#area = 0;
    this.#refusals = 0;
    this.#answered = 0;
  }
}

class Mean {
  count = 0;
  #sum = 0;
  #squares = 0;

  add(value: number): void {
    this.count++;
    this.#sum += value;
    this.#squares += value * value;
  }

  get mean(): number {
    return this.#sum / this.count;
  }

  /** Standard error of the mean, as a part of it. */
  get error(): number {
    const { mean, count } = this;
    return Math.sqrt(Math.max(0, this.#squares / count - mean * mean) / count) / mean;
  }
}
