import { z } from 'zod';
import type { BatchOptions } from '../../index.js';

const LONGEST_MS = 30 * 86_400_000;
const text = z.string().min(1).max(256);

/** A figure as a query has it: text. */
function figure<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(/^-?\d{1,15}(\.\d{1,6})?$/, 'expected a number')
    .transform(Number)
    .pipe(schema);
}
const whole = (least: number, most: number) => figure(z.int().min(least).max(most));
const flag = z.enum(['true', 'false']).transform((word) => word === 'true');
/** Said several times, or once with commas. */
function listOf<T extends z.ZodType<unknown, string>>(one: T, most: number) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat().flatMap((part) => part.split(',')))
    .pipe(z.array(one).min(1).max(most));
}
const share = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,2})?%$/, 'expected a number, or a share like 5%')
  .refine((said) => Number.parseFloat(said) >= 0.01 && Number.parseFloat(said) <= 100, 'expected 0.01% to 100%')
  .transform((said) => said as `${number}%`);
const duration = whole(0, LONGEST_MS);

/** How a batch is run: those of `BatchOptions` that a query can say. */
const howItRuns = {
  concurrency: z.union([z.literal('auto'), whole(1, 1_000_000)]).optional(),
  concurrencyPerKey: z.union([z.literal('auto'), whole(1, 1_000_000)]).optional(),
  rate: figure(z.number().gt(0).max(1_000_000)).optional(),
  maxFailures: z.union([share, whole(1, 2 ** 31 - 1)]).optional(),
  canary: whole(1, 1_000_000).optional(),
  waves: listOf(text, 200).optional(),
  window: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/, 'expected HH:MM-HH:MM')
    .optional(),
  attempts: whole(1, 100).optional(),
  timeoutMs: z.union([z.literal('auto'), duration]).optional(),
  timeoutFloorMs: whole(1, LONGEST_MS).optional(),
  timeoutCeilingMs: whole(1, LONGEST_MS).optional(),
  idempotent: flag.optional(),
  priority: whole(-10, 10).optional(),
  labels: listOf(text, 32).optional(),
};
const ofJournal = { maxOutputTotal: whole(0, 2 ** 50).optional() };

/** `POST /v1/batches`. */
export const batchQuery = z
  .strictObject({
    journal: flag.optional(),
    chunks: flag.optional(),
    driver: z.string().min(1).max(64).optional(),
    ...howItRuns,
    ...ofJournal,
  })
  .superRefine(({ journal, chunks, maxOutputTotal }, context) => {
    const wrong = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    if (chunks && journal !== false) wrong('chunks', 'goes with `journal=false`: what is kept has no live output');
    if (maxOutputTotal !== undefined && journal === false) wrong('maxOutputTotal', 'goes with a journal');
  });

const outcomes = listOf(z.enum(['ok', 'failed', 'not_started', 'unknown', 'canceled']), 5);

/** `POST /v1/batches/:id/retry`: what is not said is as the batch had it. */
export const retryQuery = z.strictObject({
  outcomes: listOf(z.enum(['failed', 'not_started', 'unknown', 'canceled']), 4).optional(),
  ...howItRuns,
  ...ofJournal,
});

/** `GET /v1/batches`. */
export const listQuery = z.strictObject({
  state: z.enum(['running', 'interrupted', 'done', 'stopped', 'canceled']).optional(),
  limit: whole(1, 10_000).optional(),
});

/** `GET /v1/batches/:id/results`. */
export const resultsQuery = z
  .strictObject({
    ordered: flag.optional(),
    follow: flag.optional(),
    outcomes: outcomes.optional(),
    skip: whole(0, 2 ** 32).optional(),
  })
  .superRefine(({ ordered, follow }, context) => {
    if (!(ordered && follow)) return;
    const message = 'does not go with `follow`: what comes late belongs before what was sent';
    context.addIssue({ code: 'custom', path: ['ordered'], message });
  });

export const nothing = z.strictObject({});

/** A body of a route that needs none: none, or an empty one. */
export const noBody = nothing.nullish();

export const batchParams = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected the id of a batch'),
});

export type BatchQuery = z.output<typeof batchQuery>;
export type RetryQuery = z.output<typeof retryQuery>;
export type ListQuery = z.output<typeof listQuery>;
export type ResultsQuery = z.output<typeof resultsQuery>;

/** What of a query is about how a batch is run: it is kept in the journal, as it is. */
export type RunOptions = {
  [Name in keyof typeof howItRuns | keyof typeof ofJournal]?: BatchOptions[Name] | undefined;
};
