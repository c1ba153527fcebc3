import { type ErrorCode, KeylaneError } from '../index.js';

/** One thing that is wrong with a request to the service. */
export interface FieldProblem {
  /** Where, as the client wrote it: `body.request.port`. */
  readonly field: string;
  readonly detail: string;
}

/** An error that knows which fields it is about. */
export class FieldError extends KeylaneError {
  readonly fields: readonly FieldProblem[];

  constructor(code: ErrorCode, fields: readonly FieldProblem[]) {
    super(code, fields.map(({ field, detail }) => `${field}: ${detail}`).join('; '));
    this.fields = fields;
  }
}
