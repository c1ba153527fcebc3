import type { z } from 'zod';
import { type ErrorCode, KeylaneError } from '../errors.js';

export function check<T>(schema: z.ZodType<T>, value: unknown, what: string, code: ErrorCode): T {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const problems = checked.error.issues.map((issue) => `${[what, ...issue.path].join('.')}: ${issue.message}`);
  throw new KeylaneError(code, problems.join('\n'));
}
