import type { JsonSchema } from '../../index.js';

const text = { type: 'string' };
const whole = { type: 'integer', minimum: 0 };
const ms = { type: 'number', minimum: 0, description: 'Milliseconds.' };

/** An object; what is named in `required` with a `?` at its end may be left out. */
function object(
  description: string,
  properties: Record<string, unknown>,
  optional: readonly string[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', description, properties, ...(required.length > 0 && { required }) };
}

const outcome = {
  enum: ['ok', 'failed', 'not_started', 'unknown', 'canceled'],
  description:
    'ok · failed: the peer answered no · not_started: nothing reached the peer · unknown: it may have run, no answer came · canceled',
};

const timing = object('Where the time went.', { queuedMs: ms, openMs: ms, runMs: ms });

const attempt = { type: 'object', description: 'A try before the last one.', properties: { code: text, outcome } };

const bytes = {
  description: 'Text where it is UTF-8, else bytes as base64.',
  anyOf: [text, object('Bytes.', { base64: { type: 'string', contentEncoding: 'base64' } })],
};

const counts = object('How many of each outcome.', {
  ok: whole,
  failed: whole,
  not_started: whole,
  unknown: whole,
  canceled: whole,
});

/** What answers are made of. The requests of the drivers are added where the document is made. */
export const COMPONENTS: Readonly<Record<string, JsonSchema>> = {
  Problem: object(
    'What went wrong (RFC 9457). `code`, `outcome` and `retryable` are those of docs/errors.md.',
    {
      type: { type: 'string', format: 'uri', examples: ['urn:keylane:error:ERR_INPUT'] },
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: text,
      code: { type: 'string', pattern: '^ERR_[A-Z_]+$' },
      outcome,
      retryable: { type: 'boolean', description: 'Trying again can help, and nothing reached the peer.' },
      key: { type: 'string', description: 'The host or account that it is about.' },
      field: { type: 'string', description: 'The field that is wrong: the first of `errors`.' },
      errors: {
        type: 'array',
        items: object('A field, or a line of an input, that is wrong.', { field: text, line: whole, detail: text }, [
          'field',
          'line',
        ]),
      },
      instance: { type: 'string', description: 'Of a fault of the service: what its log calls it.' },
      attempts: whole,
      timing,
      history: { type: 'array', items: attempt },
      stopped: { type: 'object', description: 'There where it was stopped after it had begun to run.' },
    },
    ['key', 'field', 'errors', 'instance', 'attempts', 'timing', 'history', 'stopped'],
  ),
  Result: object(
    'What became of one request. `response` where the peer answered, else `error`.',
    {
      index: whole,
      id: text,
      driver: text,
      host: text,
      key: { type: 'string', description: 'The host or account.' },
      outcome,
      response: {
        description:
          'What the peer answered: of ssh an SshResponse, of stdio a StdioResponse, of http an HttpResponse, of other drivers their own.',
        anyOf: [
          { $ref: '#/components/schemas/SshResponse' },
          { $ref: '#/components/schemas/StdioResponse' },
          { $ref: '#/components/schemas/HttpResponse' },
          {},
        ],
      },
      error: object('Why there is no answer.', { code: text, message: text }),
      attempts: whole,
      shard: { type: 'integer' },
      reused: { type: 'boolean', description: 'The connection had been open.' },
      cache: { type: 'string', examples: ['none', 'hit', 'miss'] },
      timing,
      history: { type: 'array', items: attempt },
      traceparent: text,
      dropped: { description: 'How many bytes of the answer are not kept, or `true`.' },
    },
    ['driver', 'host', 'response', 'error', 'traceparent', 'dropped'],
  ),
  SshResponse: object(
    'What a command came to.',
    {
      code: { type: ['integer', 'null'], description: 'Its exit status; null where a signal ended it.' },
      signal: { type: ['string', 'null'], examples: ['SIGTERM'] },
      stdout: bytes,
      stderr: bytes,
      truncated: { type: 'boolean', description: 'There was more output than `maxOutputBytes`.' },
    },
    ['stdout', 'stderr', 'truncated'],
  ),
  StdioResponse: object(
    'What a JSON-RPC server answered: its result, or its error.',
    {
      result: {},
      error: object('That makes the outcome `failed`.', { code: { type: 'integer' }, message: text, data: {} }, [
        'data',
      ]),
    },
    ['result', 'error'],
  ),
  HttpResponse: object(
    'What a web server answered. `ok` for 2xx and 304.',
    {
      status: whole,
      headers: {
        type: 'object',
        description: 'Names in lower case; several of one name as a list.',
        additionalProperties: { anyOf: [text, { type: 'array', items: text }] },
      },
      body: bytes,
      truncated: { type: 'boolean', description: 'The body was longer than `maxBodyBytes`.' },
      url: { type: 'string', description: 'Where the answer came from, after redirects.' },
      redirected: { type: 'array', items: text, description: 'URLs that led here, the first one first.' },
    },
    ['redirected'],
  ),
  Chunk: object(
    'A piece of output: text or bytes.',
    { channel: { enum: ['stdout', 'stderr', 'message'] }, data: text, base64: text },
    ['data', 'base64'],
  ),
  Job: object(
    'One request of a batch.',
    {
      id: { type: 'string', description: 'Of the request in its batch.' },
      driver: text,
      request: { type: 'object' },
      idempotent: { type: 'boolean' },
      timeoutMs: ms,
      priority: { type: 'integer', minimum: -10, maximum: 10 },
      labels: { type: 'array', items: text },
      after: { type: 'array', items: text, description: 'Ids of those that must be ok before it.' },
    },
    ['id', 'driver', 'idempotent', 'timeoutMs', 'priority', 'labels', 'after'],
  ),
  Batch: object(
    'A batch, and how far it is.',
    {
      id: text,
      state: { enum: ['running', 'interrupted', 'done', 'stopped', 'canceled'] },
      why: text,
      here: { type: 'boolean', description: 'The service that answers runs it.' },
      paused: { type: 'boolean' },
      principal: { type: ['string', 'null'], description: 'The name of the token that it belongs to.' },
      total: { type: ['integer', 'null'], minimum: 0 },
      begun: whole,
      settled: whole,
      inFlight: whole,
      counts,
      createdAt: { type: 'string', format: 'date-time' },
      updatedAt: { type: 'string', format: 'date-time' },
      ranMs: ms,
      driver: text,
      input: object('What it was made of.', { format: text, bytes: whole, sha256: text }),
      options: { type: 'object' },
      retryOf: object('The batch of which it runs some again.', {
        id: text,
        outcomes: { type: 'array', items: outcome },
      }),
      error: object('Why it cannot go on.', { code: text, message: text }),
    },
    ['why', 'driver', 'input', 'options', 'retryOf', 'error'],
  ),
};
