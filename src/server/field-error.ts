import { type ErrorCode, KeylaneError } from '../index.js';

/** One thing that is wrong with a request to the service. */
export interface FieldProblem {
  /** Where in the body (`request.host`), or in the query (`query.limit`), the path (`params.id`), a header. */
  readonly field: string;
  /** Of a body that is lines. */
  readonly line?: number;
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

/** A name of ours for a part of the request, or the driver's for its own request; a line, where the body is lines. */
const NAMED = /^(?:line (\d+)\.|(body|query|querystring|params|headers)\.|[a-z][\w-]*(?=[.[]))([\w.[\]-]+): (.+)$/s;

/**
 * The fields that an error of the engine names in its message. It knows nothing of HTTP: what it calls `ssh.port` is
 * `request.port` in a body, and a field in backticks is an option where there is one of this name.
 */
export function fieldsNamed(message: string, options: ReadonlySet<string>): FieldProblem[] {
  const lines = message.split('\n').flatMap((text) => {
    const [, line, part, path, detail] = NAMED.exec(text) ?? [];
    if (path === undefined || detail === undefined) return [];
    if (line !== undefined) return [{ field: path, line: Number(line), detail }];
    if (part !== undefined) return [{ field: part === 'body' ? path : `${QUERY[part] ?? part}.${path}`, detail }];
    return [{ field: `request${path}`, detail }];
  });
  if (lines.length > 0) return lines;
  if (message.startsWith('unknown driver ')) return [{ field: 'driver', detail: message }];
  const [, header, named] = /(header )?`([\w.[\]-]+)`/.exec(message) ?? [];
  if (named === undefined) return [];
  if (header !== undefined) return [{ field: `headers.${named.toLowerCase()}`, detail: message }];
  const [head = ''] = named.split(/[.[]/, 1);
  return [{ field: options.has(head) ? named : `request.${named}`, detail: message }];
}

const QUERY: Readonly<Record<string, string>> = { querystring: 'query' };
