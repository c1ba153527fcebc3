/** Wakes all who wait for something to change. They look again, and wait again if it was not for them. */
export class Bell {
  #rung: Promise<void> | undefined = undefined;
  #resolve: (() => void) | undefined = undefined;

  /** Resolves at the next `ring`. */
  wait(): Promise<void> {
    this.#rung ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#rung;
  }

  ring(): void {
    this.#resolve?.();
    this.#rung = undefined;
    this.#resolve = undefined;
  }
}
