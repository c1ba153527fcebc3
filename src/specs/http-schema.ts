import { z } from 'zod';
import { sshFields } from './ssh-schema.js';

const access = {
  proxy: z.string().min(1).max(4_096).optional(),
  proxyPassword: sshFields.reference.optional(),
  ca: sshFields.path.optional(),
  cert: sshFields.path.optional(),
  key: sshFields.reference.optional(),
  passphrase: sshFields.reference.optional(),
  servername: z.string().min(1).max(255).optional(),
  http2: z.boolean().optional(),
};
const most = z
  .int()
  .min(0)
  .max(2 ** 30)
  .optional();
const redirects = z.int().min(0).max(20).optional();

/** A request of the driver `http`. */
export const httpRequest = z.strictObject({
  ...access,
  url: z.string().min(1).max(65_536),
  method: z.string().min(1).max(64).optional(),
  headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  body: z.union([z.string(), z.instanceof(Uint8Array)]).optional(),
  json: z.unknown().optional(),
  bearer: sshFields.reference.optional(),
  redirects,
  maxBodyBytes: most,
  events: z.boolean().optional(),
  encoding: z.enum(['utf8', 'buffer']).optional(),
});

const networks = z.array(z.string().min(1).max(64)).max(10_000);
const connections = z.int().min(1).max(10_000).optional();

/** The option `http` of an engine. */
export const httpOptions = z.strictObject({
  ...access,
  deny: z.union([z.literal('private'), networks]).optional(),
  allow: networks.optional(),
  origins: z.record(z.string(), z.strictObject({ ...access, connections })).optional(),
  connections,
  maxBodyBytes: most,
  redirects,
});
