import { z } from 'zod';
import { sshFields } from './ssh-schema.js';

/** A request of the driver `stdio`. */
export const stdioRequest = z.strictObject({
  server: z.string().min(1).max(128),
  method: z.string().min(1).max(1_024),
  params: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
  notify: z.boolean().optional(),
  session: z.string().min(1).max(1_024).optional(),
});

const ms = z.number().min(1).max(86_400_000).optional();

const server = z.strictObject({
  command: z.string().min(1).max(4_096),
  args: z.array(z.string().max(65_536)).max(1_024).optional(),
  cwd: sshFields.path.optional(),
  env: z.record(z.string(), z.string()).optional(),
  framing: z.enum(['lines', 'content-length']).optional(),
  initialize: z.union([z.enum(['mcp', 'none']), z.record(z.string(), z.unknown())]).optional(),
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

/** The option `stdio` of an engine. */
export const stdioOptions = z.strictObject({
  servers: z.record(z.string().regex(/^[\p{L}\p{N}_][\p{L}\p{N}_.@-]{0,127}$/u), server).optional(),
});
