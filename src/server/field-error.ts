import { type ErrorCode, KeylaneError } from '../index.js';

/** One thing that is wrong with a request to the service. */
export interface FieldProblem {
  /** Where in the body (`request.host`), or in the query (`query.limit`), the path (`params.id`), a header. */
  readonly field: string;
  readonly detail: string;
}

/** More of them are wrong in the same way. */
const MOST_TOLD = 3;

/** An error that knows which fields of the request it is about. */
export class FieldError extends KeylaneError {
  readonly fields: readonly FieldProblem[];
  /** Where HTTP knows better than the code. */
  declare readonly status?: number;

  constructor(code: ErrorCode, fields: readonly FieldProblem[], status?: number) {
    const told = fields.slice(0, MOST_TOLD).map(({ field, detail }) => `${field}: ${detail}`);
    super(code, told.join('; '));
    this.fields = fields;
    if (status !== undefined) this.status = status;
  }
}

/**
 * The fields that an error of the engine names in its message. It knows nothing of HTTP: what it calls `ssh.port` is
 * `request.port` in a body, and a field in backticks is an option where there is one of this name.
 */
export function fieldsNamed(message: string, options: ReadonlySet<string>): FieldProblem[] {
  const lines = message.split('\n').flatMap((line) => {
    const [, path, detail] = /^[a-z][\w-]*((?:\.[\w-]+|\[\d+\])+): (.+)$/s.exec(line) ?? [];
    return path === undefined || detail === undefined ? [] : [{ field: `request${path}`, detail }];
  });
  if (lines.length > 0) return lines;
  if (message.startsWith('unknown driver ')) return [{ field: 'driver', detail: message }];
  const [, named] = /`([\w.[\]-]+)`/.exec(message) ?? [];
  if (named === undefined) return [];
  const [head = ''] = named.split(/[.[]/, 1);
  return [{ field: options.has(head) ? named : `request.${named}`, detail: message }];
}
