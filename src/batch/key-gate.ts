/** Lets at most `limit` of each key in; the others wait in the order they came. */
export class KeyGate {
  readonly #limit: number;
  readonly #keys = new Map<string, { inside: number; waiting: (() => void)[] }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  enter(key: string): Promise<void> | undefined {
    if (this.#limit === Number.POSITIVE_INFINITY) return undefined;
    const at = this.#keys.get(key) ?? { inside: 0, waiting: [] };
    this.#keys.set(key, at);
    if (at.inside < this.#limit) {
      at.inside++;
      return undefined;
    }
    return new Promise((resolve) => at.waiting.push(resolve));
  }

  leave(key: string): void {
    const at = this.#keys.get(key);
    if (!at) return;
    const next = at.waiting.shift();
    if (next) next();
    else if (--at.inside === 0) this.#keys.delete(key);
  }
}
