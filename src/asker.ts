import { resultOf, unsubmitted } from './batch/result.js';
import { KeylaneError } from './errors.js';
import type { KnownDriver } from './known-driver.js';
import type { Tried } from './tries.js';
import type { Result } from './types.js';

/** Whoever asked for one request, as its result tells it; how that ended is counted with the making of the result. */
export class Asker {
  readonly driver: KnownDriver;
  readonly request: unknown;
  readonly traceparent: string | undefined;
  /** Known when the request is read. */
  key = '';

  constructor(driver: KnownDriver, request: unknown, traceparent: string | undefined) {
    this.driver = driver;
    this.request = request;
    this.traceparent = traceparent;
  }

  get index(): number {
    return 0;
  }

  get id(): string {
    return '0';
  }

  get own(): undefined {
    return undefined;
  }

  get isInterrupted(): boolean {
    return false;
  }

  /** It was handed over, and is settled. */
  resultOf(tried: Tried): Result {
    const result = resultOf<unknown, unknown>(this, tried, (response) => this.driver.spec.ok(response));
    this.driver.meter.result(result);
    return result;
  }

  /** It was never handed over. */
  resultOfNone(thrown: unknown): Result {
    const result = unsubmitted<unknown, unknown>(this, this.key, errorOf(thrown));
    this.driver.meter.result(result);
    return result;
  }
}

/** What keeps a request from being handed over, whatever was thrown. */
export function errorOf(thrown: unknown): KeylaneError {
  if (thrown instanceof KeylaneError) return thrown;
  return new KeylaneError('ERR_INPUT', String(thrown), { cause: thrown });
}
