import { z } from 'zod';
import { OWN_DRIVERS, type OwnDriverName } from './own-drivers.js';

/** JSON Schema (2020-12) as far as a request needs it. */
export type JsonSchema = { readonly [keyword: string]: unknown };

const BYTES = {
  description: 'Text, or bytes as base64.',
  anyOf: [
    { type: 'string' },
    {
      type: 'object',
      properties: { base64: { type: 'string', contentEncoding: 'base64' } },
      required: ['base64'],
      additionalProperties: false,
    },
  ],
};

const ECHO = {
  type: 'object',
  properties: {
    key: { type: 'string', minLength: 1, maxLength: 1024, description: 'Stands for a host.' },
    payload: { description: 'What is answered.' },
    openMs: { type: 'number', minimum: 0, maximum: 86_400_000, description: 'How long a connection takes to open.' },
    delayMs: { type: 'number', minimum: 0, maximum: 86_400_000, description: 'How long the answer takes.' },
    fault: {
      enum: [
        ...['ERR_DNS', 'ERR_CONNECT', 'ERR_AUTH', 'ERR_HOST_KEY'],
        ...['failed', 'hang', 'ERR_CONNECTION_LOST', 'ERR_PROTOCOL'],
      ],
      description: 'How it goes wrong.',
    },
    etag: { type: 'string' },
  },
  required: ['key'],
  additionalProperties: false,
};

/**
 * What a request of this driver may hold, as JSON Schema: of one of our own drivers. What depends on several fields or on
 * their characters is checked when the request is taken.
 */
export function requestSchema(driver: OwnDriverName): JsonSchema {
  const { schema } = OWN_DRIVERS[driver];
  if (!schema) return structuredClone(ECHO);
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const { $schema: _, ...rest } = json;
  const bytes = BYTE_FIELDS.filter((field) => Object.hasOwn(schema.shape, field)).map((field) => [field, BYTES]);
  return { ...rest, properties: { ...rest.properties, ...Object.fromEntries(bytes) } };
}

/** Fields that take text or bytes. */
const BYTE_FIELDS = ['stdin', 'body'];
