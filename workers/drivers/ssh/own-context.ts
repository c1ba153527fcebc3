import { KeylaneError } from '../../../src/errors.js';
import type { ExecuteContext } from '../../../src/types.js';

/** The context of a command that the driver runs for itself. */
export class OwnContext implements ExecuteContext {
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly live = false;
  readonly input = undefined;
  readonly #controller = new AbortController();
  #onAbort: ((reason: Error) => void) | undefined = undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get aborted(): Error | undefined {
    return this.signal.reason as Error | undefined;
  }

  abort(): void {
    const reason = new KeylaneError('ERR_TIMEOUT');
    this.#controller.abort(reason);
    this.#onAbort?.(reason);
  }

  onAbort(call: ((reason: Error) => void) | undefined): void {
    this.#onAbort = call;
  }

  sent(): void {}

  pause(): void {}

  chunk(): undefined {
    return undefined;
  }

  ask(): Promise<never> {
    return Promise.reject(new KeylaneError('ERR_CANCELED', 'nobody to ask'));
  }
}
