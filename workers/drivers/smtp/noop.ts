import type { Exchange, SmtpConnection } from './connection.js';
import type { Reply } from './reply.js';

/** Longer than a pool waits for it. */
const ANSWER_MS = 10_000;

/** Asks for a sign of life. */
export class Noop implements Exchange {
  readonly result: Promise<boolean>;
  readonly #connection: SmtpConnection;
  #settle!: (well: boolean) => void;

  constructor(connection: SmtpConnection) {
    this.#connection = connection;
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  start(): void {
    this.#connection.write('NOOP\r\n');
    this.#connection.expect(ANSWER_MS);
  }

  replied({ code }: Reply): void {
    const well = code >= 200 && code < 300;
    this.#connection.over(!well);
    this.#settle(well);
  }

  cut(): void {
    this.#settle(false);
  }

  broken(): void {
    this.#settle(false);
  }

  overdue(): void {
    this.#connection.over(true);
    this.#settle(false);
  }

  drained(): void {}
}
