import { z } from 'zod';
import { type JsonSchema, requestSchema } from '../../index.js';
import type { ServiceRoute } from '../route-table.js';
import { COMPONENTS } from './components.js';
import { type Answer, type RouteWords, WORDS } from './words.js';

/** The API as OpenAPI 3.1 has it: what the router knows of each route, and what is told of it. */
export function openApiDocument(routes: readonly ServiceRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'keylane',
      version,
      description: 'Runs requests against very many hosts and accounts at once. See docs/service.md.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: ['Requests', 'Batches', 'Looking', 'Memory', 'The service'].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token of the first start is in serve.token of the data directory.',
        },
      },
      schemas: {
        ...COMPONENTS,
        SshRequest: { ...requestSchema('ssh'), description: 'A request of the driver ssh: docs/options.md.' },
        SmtpRequest: { ...requestSchema('smtp'), description: 'A request of the driver smtp: docs/smtp.md.' },
        StdioRequest: { ...requestSchema('stdio'), description: 'A request of the driver stdio: docs/stdio.md.' },
        HttpRequest: { ...requestSchema('http'), description: 'A request of the driver http: docs/http.md.' },
        EchoRequest: { ...requestSchema('echo'), description: 'A request of the driver echo, for tests.' },
      },
    },
  };
}

function operation(route: ServiceRoute): object {
  const words = WORDS[`${route.method} ${route.path}`];
  const { needs } = route;
  const body = bodyOf(route, words);
  const parameters = parametersOf(route, words);
  return {
    operationId: idOf(route),
    summary: words?.summary ?? `${route.method} ${route.path}`,
    ...(words && { tags: [words.tag] }),
    description: [words?.description, NEEDS[needs]].filter((text) => text !== undefined).join('\n\n'),
    ...(needs === 'nothing' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: responsesOf(route, words),
  };
}

const NEEDS = {
  nothing: 'Needs no token.',
  read: 'Needs a token.',
  run: 'Needs a token that is not read-only.',
  admin: 'Needs a token with `admin`.',
} as const;

/** `getBatchesIdResults` */
function idOf({ method, path }: ServiceRoute): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1');
  const named = words.length > 0 ? words : ['dashboard'];
  return method.toLowerCase() + named.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function bodyOf({ schema }: ServiceRoute, words: RouteWords | undefined): object | undefined {
  const own = schema?.body ? { 'application/json': withRequest(jsonSchemaOf(schema.body, 'input')) } : {};
  const types = { ...own, ...words?.body };
  if (Object.keys(types).length === 0) return undefined;
  const content = Object.fromEntries(Object.entries(types).map(([type, told]) => [type, { schema: told }]));
  return { required: true, content };
}

/** The request of a driver is the driver's own. */
function withRequest(schema: JsonSchema): JsonSchema {
  const { properties } = schema as { properties?: Record<string, JsonSchema> };
  if (!properties?.driver || !properties.request) return schema;
  const request = {
    description:
      'What the driver is asked: an SshRequest, an SmtpRequest, a StdioRequest, an HttpRequest, an EchoRequest, or what a driver of your own takes.',
    anyOf: [
      { $ref: '#/components/schemas/SshRequest' },
      { $ref: '#/components/schemas/SmtpRequest' },
      { $ref: '#/components/schemas/StdioRequest' },
      { $ref: '#/components/schemas/HttpRequest' },
      { $ref: '#/components/schemas/EchoRequest' },
      { type: 'object' },
    ],
  };
  return { ...schema, properties: { ...properties, request } };
}

function parametersOf({ path, schema }: ServiceRoute, words: RouteWords | undefined): object[] {
  const of = (place: 'path' | 'query', part: z.ZodType | undefined) => {
    const shape = (part as { shape?: Record<string, z.ZodType> } | undefined)?.shape ?? {};
    return Object.entries(shape).map(([name, one]) => ({
      name,
      in: place,
      ...((place === 'path' || !one.safeParse(undefined).success) && { required: true }),
      schema: parameterSchema(one),
    }));
  };
  const fromPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string' },
  }));
  const headers = Object.entries(words?.headers ?? {}).map(([name, { says, required }]) => ({
    ...{ name, in: 'header', description: says },
    ...(required && { required }),
    schema: { type: 'string' },
  }));
  return [...(schema?.params ? of('path', schema.params) : fromPath), ...of('query', schema?.querystring), ...headers];
}

/** A query is text, and most of it is read as something better: that is what it is to be told as. */
function parameterSchema(schema: z.ZodType): JsonSchema {
  const read = jsonSchemaOf(schema, 'output');
  const written = jsonSchemaOf(schema, 'input');
  const { anyOf } = written as { anyOf?: JsonSchema[] };
  const { anyOf: each } = read as { anyOf?: JsonSchema[] };
  if (each) return { ...read, anyOf: each.map((one, at) => (isEmpty(one) ? (anyOf?.[at] ?? one) : one)) };
  if (!isEmpty(read)) return read;
  return JSON.stringify(written.enum) === '["true","false"]' ? { type: 'boolean' } : written;
}

function isEmpty(schema: JsonSchema): boolean {
  return Object.keys(schema).length === 0;
}

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...told } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return told;
}

const SAYS: Readonly<Record<number, string>> = {
  400: 'Something of the request is wrong: `field` names it.',
  401: 'There is no token, or it is not valid.',
  403: 'The token is not for this, or the Host or Origin header is not one of ours.',
  404: 'There is no such thing, or it is not yours to see.',
  408: 'The request did not come in time.',
  409: 'Not as things are now.',
  413: 'The body is too large.',
  415: 'The body is of a type that is not read.',
  422: 'The key has made another batch before.',
  429: "The token's quota is used up: come again after `Retry-After` seconds.",
  431: 'The head is too large.',
  499: 'It was called off.',
  500: 'The service failed; its log says how, under `instance`.',
  502: 'The peer could not be reached, refused who we are, or was lost.',
  503: 'Too much is waiting, or the service stops: come again after `Retry-After` seconds.',
  504: 'The deadline passed.',
};

function responsesOf({ needs, hasBody }: ServiceRoute, words: RouteWords | undefined): object {
  const answers: Record<string, object> = {};
  for (const [status, answer] of Object.entries(words?.answers ?? { 200: { says: 'As asked.' } }))
    answers[status] = answerOf(answer);
  const problems = [
    ...[400, 403, 408, 431, 500, 503],
    ...(needs === 'nothing' ? [] : [401]),
    ...(hasBody ? [413, 415] : []),
    ...(words?.problems ?? []),
  ];
  for (const status of problems) {
    answers[status] ??= {
      description: SAYS[status] ?? 'A problem.',
      ...((status === 429 || status === 503) && {
        headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } },
      }),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return answers;
}

function answerOf({ says, types, headers }: Answer): object {
  return {
    description: says,
    ...(headers && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
      ),
    }),
    ...(types && {
      content: Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }])),
    }),
  };
}
