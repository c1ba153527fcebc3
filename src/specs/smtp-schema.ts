import { z } from 'zod';
import { sshFields } from './ssh-schema.js';

const access = {
  host: sshFields.host,
  port: sshFields.port.optional(),
  tls: z.enum(['starttls', 'implicit', 'none']).optional(),
  ca: sshFields.path.optional(),
  servername: z.string().min(1).max(255).optional(),
  user: z.string().min(1).max(1_024).optional(),
  password: sshFields.reference.optional(),
  auth: z.enum(['plain', 'login', 'xoauth2', 'oauthbearer']).optional(),
  clientName: z.string().min(1).max(255).optional(),
  sourceAddress: z.string().min(1).max(64).optional(),
  preset: z.enum(['generic', 'gmail', 'exchange-online']).optional(),
};
const addresses = z.union([z.string(), z.array(z.string()).max(10_000)]);
const bytes = z.union([z.string(), z.instanceof(Uint8Array)]);

/** A request of the driver `smtp`. */
export const smtpRequest = z.strictObject({
  ...access,
  envelope: z.strictObject({ from: z.string(), to: addresses }).optional(),
  raw: z.union([bytes, z.strictObject({ file: sshFields.path })]).optional(),
  from: z.string().optional(),
  to: addresses.optional(),
  cc: addresses.optional(),
  bcc: addresses.optional(),
  replyTo: addresses.optional(),
  subject: z.string().optional(),
  text: z.string().optional(),
  html: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  attachments: z
    .array(
      z.strictObject({
        filename: z.string(),
        content: bytes,
        contentType: z.string().optional(),
        cid: z.string().optional(),
      }),
    )
    .optional(),
  messageId: z.string().optional(),
});

const count = z.int().min(1).max(10_000_000).optional();

/** The option `smtp` of an engine. */
export const smtpOptions = z.strictObject({
  ...access,
  host: access.host.optional(),
  files: z.boolean().optional(),
  sourceAddresses: z.union([z.literal('auto'), z.array(z.string()).min(1)]).optional(),
  messagesPerConnection: count,
  maxAgeMs: z.number().min(1_000).max(86_400_000).optional(),
  connections: count,
  messagesPerMinute: count,
  recipientsPerDay: count,
  replyTimeoutMs: z.number().min(1).max(600_000).optional(),
});
