/** One flight for each name at a time: all who ask meanwhile hear what it comes to. Nothing is kept when it has landed. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(name: string, start: () => Promise<T>): Promise<T> {
    let flight = this.#flights.get(name);
    if (!flight) {
      flight = start().finally(() => this.#flights.delete(name));
      this.#flights.set(name, flight);
    }
    return flight;
  }
}
