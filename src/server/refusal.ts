import { type ErrorCode, KeylaneError } from '../index.js';

/** An error of which HTTP says more than its code does: 409, 413, 415, 422. */
export class Refusal extends KeylaneError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string) {
    super(code, message);
    this.status = status;
  }
}
