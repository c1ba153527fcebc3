import { z } from 'zod';
import type { KeylaneError } from '../index.js';
import { pathOf, problemsOf } from '../util/check.js';
import { FieldError } from './field-error.js';

const DAY_MS = 86_400_000;

/** The body of a request to run; what is in `request` the driver checks itself. */
export const runBody = z.strictObject({
  driver: z.string().min(1).max(64),
  request: z.record(z.string(), z.unknown()),
  timeoutMs: z
    .union([
      z
        .number()
        .min(0)
        .max(30 * DAY_MS),
      z.literal('auto'),
    ])
    .optional(),
  timeoutFloorMs: z
    .number()
    .min(1)
    .max(30 * DAY_MS)
    .optional(),
  timeoutCeilingMs: z
    .number()
    .min(1)
    .max(30 * DAY_MS)
    .optional(),
  idempotent: z.boolean().optional(),
  attempts: z.int().min(1).max(100).optional(),
  priority: z.int().min(-10).max(10).optional(),
  labels: z.array(z.string().min(1).max(256)).max(32).optional(),
  cache: z
    .union([
      z.boolean(),
      z.strictObject({
        ttlMs: z.number().min(1).optional(),
        tags: z.array(z.string()).optional(),
        persist: z.boolean().optional(),
        staleWhileRevalidateMs: z.number().min(0).optional(),
        fresh: z.boolean().optional(),
        operation: z.string().optional(),
        negativeTtlMs: z.number().min(1).optional(),
      }),
    ])
    .optional(),
  invalidates: z.array(z.string()).max(100).optional(),
});

export type RunBody = z.output<typeof runBody>;

/** The body of a stream. It is tried once, and nothing of it is remembered. */
export const streamBody = runBody.pick({ driver: true, request: true, priority: true, labels: true }).extend({
  timeoutMs: z
    .number()
    .min(0)
    .max(30 * DAY_MS)
    .optional(),
});

export type StreamBody = z.output<typeof streamBody>;

/** What Fastify calls the parts of a request, as our messages do. */
const PARTS: Readonly<Record<string, string>> = { querystring: 'query.', params: 'params.', headers: 'headers.' };

/** Fastify's validator: what a zod schema says of a part of a request. */
export function validatorOf({ schema, httpPart = 'body' }: { schema: unknown; httpPart?: string | undefined }) {
  const head = PARTS[httpPart] ?? '';
  const whole = httpPart === 'querystring' ? 'query' : httpPart;
  return (given: unknown): { value: unknown } | { error: KeylaneError } => {
    // Where there is no body Fastify says null.
    const value = given === null ? undefined : given;
    const read = (schema as z.ZodType).safeParse(value);
    if (read.success) return { value: read.data };
    const problems = problemsOf(schema as z.ZodType, value).map(({ path, says }) => ({
      field: path.length === 0 ? whole : `${head}${pathOf('', path)}`,
      detail: says,
    }));
    return { error: new FieldError('ERR_INPUT', problems) };
  };
}
