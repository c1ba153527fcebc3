import { z } from 'zod';
import { KeylaneError } from '../index.js';
import { problemsOf } from '../util/check.js';

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

/** Fastify's validator: what a zod schema says of a part of a request. */
export function validatorOf({ schema, httpPart }: { schema: unknown; httpPart?: string | undefined }) {
  return (value: unknown): { value: unknown } | { error: KeylaneError } => {
    const read = (schema as z.ZodType).safeParse(value);
    if (read.success) return { value: read.data };
    const says = problemsOf(schema as z.ZodType, value)
      .slice(0, 3)
      .map(({ path, says }) => `${[httpPart ?? 'request', ...path].join('.')}: ${says}`);
    return { error: new KeylaneError('ERR_INPUT', says.join('; ')) };
  };
}
