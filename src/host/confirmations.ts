import { KeylaneError } from '../errors.js';
import type { HostKeyQuestion } from '../types.js';
import type { Clock } from '../util/clock.js';

export type ConfirmHostKey = (about: HostKeyQuestion) => boolean | Promise<boolean>;

/** What a person gets to answer. */
const ANSWER_MS = 120_000;

/** Asks a person about unknown host keys: one question at a time, and each once however many connections wait for it. */
export class Confirmations {
  readonly #clock: Clock;
  readonly #confirm: ConfirmHostKey | undefined;
  readonly #asked = new Map<string, Promise<boolean>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, confirm: ConfirmHostKey | undefined) {
    this.#clock = clock;
    this.#confirm = confirm;
  }

  /** True for exactly true. Rejects with `ERR_HOST_KEY` where there is nobody to ask, or no answer in time. */
  ask(about: HostKeyQuestion): Promise<boolean> {
    const confirm = this.#confirm;
    if (!confirm) {
      return Promise.reject(
        new KeylaneError(
          'ERR_HOST_KEY',
          'there is nobody to ask (`ssh.confirmHostKey`; on the command line a terminal)',
        ),
      );
    }
    const name = `${about.name} ${about.fingerprint} ${about.file}`;
    const known = this.#asked.get(name);
    if (known) return known;
    const asking = this.#last.then(() => this.#within(async () => (await confirm(about)) === true));
    this.#last = asking.catch(() => undefined);
    this.#asked.set(name, asking);
    // The answer is in the file by then, or is asked for anew.
    asking.catch(() => undefined).finally(() => this.#asked.delete(name));
    return asking;
  }

  #within(answer: () => Promise<boolean>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new KeylaneError('ERR_HOST_KEY', `nobody answered within ${ANSWER_MS / 1000} s`));
      const timer = this.#clock.timer(ANSWER_MS, late);
      answer()
        .then(resolve, (cause) => reject(new KeylaneError('ERR_HOST_KEY', 'the question failed', { cause })))
        .finally(() => timer.cancel());
    });
  }
}
