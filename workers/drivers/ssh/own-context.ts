import { KeylaneError } from '../../../src/errors.js';
import type { ExecuteContext } from '../../../src/types.js';

/** The context of a command that the driver runs for itself. */
export class OwnContext implements ExecuteContext {
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly live = false;
  readonly input = undefined;
  readonly #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(): void {
    this.#controller.abort(new KeylaneError('ERR_TIMEOUT'));
  }

  sent(): void {}

  chunk(): undefined {
    return undefined;
  }

  ask(): Promise<never> {
    return Promise.reject(new KeylaneError('ERR_CANCELED', 'nobody to ask'));
  }
}
