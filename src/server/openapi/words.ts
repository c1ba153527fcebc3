import type { JsonSchema } from '../../index.js';

/** What is told of a route beside what the router knows of it. */
export interface RouteWords {
  tag: 'Requests' | 'Batches' | 'Looking' | 'Memory' | 'The service';
  summary: string;
  description?: string;
  /** Media type → schema, where the body is not told by its own schema alone. */
  body?: Readonly<Record<string, JsonSchema>>;
  headers?: Readonly<Record<string, { says: string; required?: boolean }>>;
  /** Status → what it says, and media type → schema. Problems are added. */
  answers: Readonly<Record<number, Answer>>;
  /** Statuses of problems beside those that any route of its kind has. */
  problems?: readonly number[];
}

export interface Answer {
  says: string;
  types?: Readonly<Record<string, JsonSchema>>;
  headers?: Readonly<Record<string, string>>;
}

const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const any: JsonSchema = { type: 'object' };
const json = (schema: JsonSchema, says = 'As asked.'): Answer => ({ says, types: { 'application/json': schema } });
const TEXT = { type: 'string' };
const NDJSON = 'application/x-ndjson';
const EVENTS = 'text/event-stream';
const listed = (name: string, items: JsonSchema): JsonSchema => ({
  type: 'object',
  properties: { [name]: { type: 'array', items } },
  required: [name],
});
const IDEMPOTENCY_KEY = {
  'Idempotency-Key': {
    says: 'A key of your own for each batch: a request that is sent twice makes one (draft-ietf-httpapi-idempotency-key-header-07).',
    required: true,
  },
};
const MADE: Readonly<Record<number, Answer>> = {
  200: json(ref('Batch'), 'The key has made this batch before, of the same input.'),
  201: { ...json(ref('Batch'), 'It has been made, and runs.'), headers: { Location: 'Where it is.' } },
};
/** What hosts, connections and time can do to a request. */
const RUNNING = [429, 499, 502, 504];
const CONTROLLED = { 200: json(ref('Batch')) };

/** By method and path of the router. */
export const WORDS: Readonly<Record<string, RouteWords>> = {
  'POST /v1/run': {
    tag: 'Requests',
    summary: 'Run one request',
    description:
      'Answers 200 where the peer answered, whatever it answered: a command that exits with 3 is an answer, and its outcome is `failed`. Closing the connection calls it off.',
    answers: { 200: json(ref('Result'), 'What became of it: `ok` or `failed`.') },
    problems: RUNNING,
  },
  'POST /v1/stream': {
    tag: 'Requests',
    summary: 'Run one request with live output, and live input',
    description:
      'Lines of JSON, or events where `Accept` has `text/event-stream`: `chunk`s, then one `result`. With a body of lines the first is the request and each further one a piece of input; the end of the body ends the input. Who reads slowly slows the peer down. Closing the connection calls it off.',
    body: { [NDJSON]: { description: 'The request, then `{"data":"…"}` or `{"base64":"…"}`, a line each.', ...TEXT } },
    answers: {
      200: {
        says: 'Chunks as they come, then the result.',
        types: { [NDJSON]: { anyOf: [ref('Chunk'), ref('Result')] }, [EVENTS]: TEXT },
      },
    },
    problems: RUNNING,
  },
  'POST /v1/batches': {
    tag: 'Batches',
    summary: 'Make a batch of many requests',
    description:
      'The body may be of any size. The batch outlives the connection and the service. With `journal=false` nothing is kept: the answer is the results as they settle, jobs are read as they are needed, and closing the connection calls it off.',
    headers: {
      'Idempotency-Key': { says: `${IDEMPOTENCY_KEY['Idempotency-Key'].says} Not with \`journal=false\`.` },
    },
    body: {
      [NDJSON]: ref('Job'),
      'application/json': { type: 'array', items: ref('Job') },
      'text/csv': { ...TEXT, description: 'The first line names the columns.' },
    },
    answers: {
      200: {
        says: 'The key has made this batch before, of the same input; or, with `journal=false`, the results.',
        types: { 'application/json': ref('Batch'), [NDJSON]: ref('Result') },
      },
      201: MADE[201] as Answer,
    },
    problems: [409, 422, 429],
  },
  'GET /v1/batches': {
    tag: 'Batches',
    summary: 'List batches, the youngest first',
    answers: {
      200: json({
        type: 'object',
        properties: {
          batches: { type: 'array', items: ref('Batch') },
          total: { type: 'integer', description: 'How many there are, also past the limit.' },
        },
        required: ['batches', 'total'],
      }),
    },
  },
  'GET /v1/batches/:id': {
    tag: 'Batches',
    summary: 'How far a batch is',
    answers: { 200: json(ref('Batch')) },
    problems: [404],
  },
  'GET /v1/batches/:id/results': {
    tag: 'Batches',
    summary: 'The results of a batch',
    description:
      'In the order in which they settled, or in that of the input (`ordered`). `follow` waits for those to come. As events each has an `id`: who comes again with it in `Last-Event-ID` gets those that come after.',
    headers: { 'Last-Event-ID': { says: 'The `id` of the last event that was read.' } },
    answers: { 200: { says: 'A line or an event each.', types: { [NDJSON]: ref('Result'), [EVENTS]: TEXT } } },
    problems: [404],
  },
  'GET /v1/batches/:id/report': {
    tag: 'Batches',
    summary: 'What a batch came to: outcomes, reasons, the slowest hosts',
    answers: { 200: json(any) },
    problems: [404],
  },
  'POST /v1/batches/:id/cancel': {
    tag: 'Batches',
    summary: 'Call a batch off',
    answers: CONTROLLED,
    problems: [404, 409],
  },
  'POST /v1/batches/:id/pause': {
    tag: 'Batches',
    summary: 'Begin no more requests of a batch for now',
    answers: CONTROLLED,
    problems: [404, 409],
  },
  'POST /v1/batches/:id/resume': {
    tag: 'Batches',
    summary: 'Go on with a batch that was paused or interrupted',
    answers: CONTROLLED,
    problems: [404, 409],
  },
  'POST /v1/batches/:id/retry': {
    tag: 'Batches',
    summary: 'Run again what came to nothing, as a new batch',
    headers: IDEMPOTENCY_KEY,
    answers: MADE,
    problems: [404, 409, 422, 429],
  },
  'DELETE /v1/batches/:id': {
    tag: 'Batches',
    summary: 'Forget a batch and its results',
    answers: { 204: { says: 'It is gone.' } },
    problems: [404, 409],
  },
  'GET /v1/stats': {
    tag: 'Looking',
    summary: 'How the service is',
    description: 'As events, one each second.',
    answers: { 200: { says: 'As asked.', types: { 'application/json': any, [EVENTS]: TEXT } } },
  },
  'GET /v1/stats/history': {
    tag: 'Looking',
    summary: 'How the service was in the last 15 minutes, once a second',
    answers: {
      200: json({
        type: 'object',
        properties: {
          t: { type: 'array', items: { type: 'number' }, description: 'Seconds of Unix time.' },
          series: {
            type: 'object',
            additionalProperties: { type: 'array', items: { type: ['number', 'null'] } },
          },
        },
        required: ['t', 'series'],
      }),
    },
  },
  'GET /v1/hosts': {
    tag: 'Looking',
    summary: 'The hosts and accounts that the engine knows: connections, limits, breakers',
    answers: { 200: json(any) },
  },
  'GET /v1/events': {
    tag: 'Looking',
    summary: 'What the engine told of itself: shards that died, hosts that are let alone',
    headers: { 'Last-Event-ID': { says: 'The `id` of the last event that was read.' } },
    answers: {
      200: { says: 'As asked.', types: { 'application/json': listed('events', any), [EVENTS]: TEXT } },
    },
  },
  'GET /metrics': {
    tag: 'Looking',
    summary: 'Everything that is counted, for Prometheus',
    answers: { 200: { says: 'Prometheus text.', types: { 'text/plain': TEXT } } },
  },
  'GET /v1/cache': {
    tag: 'Memory',
    summary: 'How much is remembered of answers',
    answers: { 200: json(any) },
  },
  'GET /v1/cache/entries': {
    tag: 'Memory',
    summary: 'What is remembered on disk, the last used first',
    answers: { 200: json(listed('entries', any)) },
  },
  'DELETE /v1/cache': {
    tag: 'Memory',
    summary: 'Forget answers',
    answers: {
      200: json({ type: 'object', properties: { forgotten: { type: 'integer' } }, required: ['forgotten'] }),
    },
  },
  'GET /v1/accounts': {
    tag: 'Memory',
    summary: 'The accounts that requests may name',
    answers: { 200: json(listed('accounts', any)) },
  },
  'GET /v1/principal': {
    tag: 'The service',
    summary: 'Whose token this is, and what it may do',
    answers: {
      200: json({
        type: 'object',
        properties: {
          name: TEXT,
          read: { type: 'boolean' },
          run: { type: 'boolean' },
          admin: { type: 'boolean' },
        },
        required: ['name', 'read', 'run', 'admin'],
      }),
    },
  },
  'GET /v1/log-level': {
    tag: 'The service',
    summary: 'How much is logged',
    answers: { 200: json({ type: 'object', properties: { level: TEXT }, required: ['level'] }) },
  },
  'PUT /v1/log-level': {
    tag: 'The service',
    summary: 'Log more, or less, from now on',
    answers: { 200: json({ type: 'object', properties: { level: TEXT }, required: ['level'] }) },
  },
  'GET /livez': {
    tag: 'The service',
    summary: 'Is the process alive?',
    answers: { 200: { says: 'It is.', types: { 'text/plain': TEXT } } },
  },
  'GET /readyz': {
    tag: 'The service',
    summary: 'Does it take requests?',
    answers: {
      200: { says: 'It does.', types: { 'text/plain': TEXT } },
      503: { says: 'It is about to stop.', types: { 'text/plain': TEXT } },
    },
  },
  'GET /openapi.json': {
    tag: 'The service',
    summary: 'This document',
    answers: { 200: json(any) },
  },
  'GET /docs': {
    tag: 'The service',
    summary: 'This document as a page',
    answers: { 200: { says: 'A page.', types: { 'text/html': TEXT } } },
  },
  'GET /': {
    tag: 'The service',
    summary: 'The dashboard',
    answers: { 200: { says: 'A page.', types: { 'text/html': TEXT } }, 304: { says: 'It is the same.' } },
  },
  'GET /page/:file': {
    tag: 'The service',
    summary: 'What the pages are made of',
    answers: { 200: { says: 'A file.', types: { '*/*': {} } }, 304: { says: 'It is the same.' } },
    problems: [404],
  },
};
