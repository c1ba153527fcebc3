const FORM = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/;
const DAY_MINUTES = 24 * 60;

/** `HH:MM-HH:MM`, two different times; past midnight where the second is the earlier one. */
export function isWindow(text: unknown): boolean {
  const found = typeof text === 'string' ? FORM.exec(text) : null;
  return found !== null && text !== undefined && minutesOf(found, 1) !== minutesOf(found, 3);
}

/** A time of the day, in the time zone of this machine. */
export class Window {
  readonly #from: number;
  readonly #to: number;

  constructor(text: string) {
    const found = FORM.exec(text);
    if (!found) throw new Error(`${text} is no window`);
    this.#from = minutesOf(found, 1);
    this.#to = minutesOf(found, 3);
  }

  isOpen(at: Date): boolean {
    const minute = at.getHours() * 60 + at.getMinutes();
    return this.#from < this.#to
      ? minute >= this.#from && minute < this.#to
      : minute >= this.#from || minute < this.#to;
  }

  /** Milliseconds until it opens or closes, if no clock is changed before. */
  msToChange(at: Date): number {
    const minute = at.getHours() * 60 + at.getMinutes();
    const passed = at.getSeconds() * 1_000 + at.getMilliseconds();
    const left = ((this.isOpen(at) ? this.#to : this.#from) - minute + DAY_MINUTES) % DAY_MINUTES;
    return left * 60_000 - passed;
  }
}

function minutesOf(found: RegExpExecArray, group: number): number {
  return Number(found[group]) * 60 + Number(found[group + 1]);
}
