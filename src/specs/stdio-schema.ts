import { z } from 'zod';
import type { StdioRequest } from '../stdio-types.js';
import { sshFields } from './ssh-schema.js';

const NAME_CHARACTERS = 128;
const TEXT_CHARACTERS = 1_024;

/** A request of the driver `stdio`. */
export const stdioRequest = z.strictObject({
  server: z.string().min(1).max(NAME_CHARACTERS),
  method: z.string().min(1).max(TEXT_CHARACTERS),
  params: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown())], 'expected an object or an array')
    .optional(),
  notify: z.boolean().optional(),
  session: z.string().min(1).max(TEXT_CHARACTERS).optional(),
});

const isText = (value: unknown, most: number) => typeof value === 'string' && value !== '' && value.length <= most;

const FINE: Readonly<Record<string, (value: unknown) => boolean>> = {
  server: (value) => isText(value, NAME_CHARACTERS),
  method: (value) => isText(value, TEXT_CHARACTERS),
  session: (value) => value === undefined || isText(value, TEXT_CHARACTERS),
  notify: (value) => value === undefined || typeof value === 'boolean',
  // What is in them is looked at where they are written.
  params: (value) => value === undefined || (typeof value === 'object' && value !== null),
};

/** The request itself where nothing is wrong with it; undefined for any other, of which the schema tells what is. */
export function plainRequest(input: unknown): StdioRequest | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  for (const field in input) {
    if (!Object.hasOwn(FINE, field) || !FINE[field]?.((input as Record<string, unknown>)[field])) return undefined;
  }
  const request = input as StdioRequest;
  return request.server !== undefined && request.method !== undefined ? request : undefined;
}

const ms = z.number().min(1).max(86_400_000).optional();
const withoutNul = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !text.includes('\0'), 'a word cannot hold NUL');
const variable = z.string().regex(/^[^=\0]{1,1024}$/, 'the name of a variable: without =');

const server = z.strictObject({
  command: withoutNul(4_096).min(1),
  args: z.array(withoutNul(65_536)).max(1_024).optional(),
  cwd: sshFields.path.optional(),
  env: z.record(variable, withoutNul(65_536)).optional(),
  framing: z.enum(['lines', 'content-length']).optional(),
  initialize: z
    .union([z.enum(['mcp', 'none']), z.record(z.string(), z.unknown())], "expected 'mcp', 'none' or an object")
    .optional(),
  capabilities: z.record(z.string(), z.unknown()).optional(),
  idempotent: z.array(z.string().min(1).max(TEXT_CHARACTERS)).max(1_000).optional(),
  stateless: z.boolean().optional(),
  requestsPerProcess: z.int().min(1).max(100_000).optional(),
  processes: z.int().min(1).max(10_000).optional(),
  restartsPerMinute: z.int().min(1).max(1_000).optional(),
  startTimeoutMs: ms,
  idleMs: ms,
  maxMessageBytes: z
    .int()
    .min(1_024)
    .max(2 ** 30)
    .optional(),
});

const serverName = z
  .string()
  .regex(/^[\p{L}\p{N}_][\p{L}\p{N}_.@-]{0,127}$/u, 'a name of letters, digits, _, ., @ and -, at most 128');

/** The option `stdio` of an engine. */
export const stdioOptions = z.strictObject({ servers: z.record(serverName, server).optional() });
