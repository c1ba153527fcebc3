import { z } from 'zod';
import { LONGEST_LABEL } from '../call-options.js';
import { engineOptions } from '../options.js';
import { serveSection } from '../server/section.js';
import { sshAccess, sshOptions } from '../specs/ssh.js';

const MOST_PATTERNS = 100_000;
const DAY_MS = 86_400_000;

const text = (most: number) => z.string().min(1).max(most);
const path = text(4_096);
const pattern = text(65_536);

const group = z.strictObject({
  hosts: z
    .union([pattern, z.array(pattern).max(MOST_PATTERNS)], 'expected host patterns: a text or a list of texts')
    .optional(),
  labels: z.array(text(LONGEST_LABEL)).max(16).optional(),
  limit: z.int().min(1).max(1_000_000).optional(),
  ssh: sshAccess.optional(),
});

/** Of a source of hosts, what goes with a command only. */
const OF_COMMANDS = ['ttlMs', 'staleOk', 'cwd', 'timeoutMs'] as const;

const inventory = z
  .strictObject({
    file: path.optional(),
    command: z.array(z.string().max(65_536)).min(1).max(256).optional(),
    format: z.enum(['ini', 'yaml', 'ansible-json', 'json', 'ssh-config', 'list']).optional(),
    map: z
      .partialRecord(
        z.enum(['items', 'name', 'host', 'port', 'user', 'identity', 'labels', 'groups', 'vars']),
        z.union([text(256), z.array(text(256)).min(1).max(32)]),
      )
      .optional(),
    ttlMs: z
      .int()
      .min(0)
      .max(30 * DAY_MS)
      .optional(),
    staleOk: z.boolean().optional(),
    cwd: path.optional(),
    timeoutMs: z.int().min(1).max(DAY_MS).optional(),
  })
  .superRefine((source, context) => {
    const wrong = (message: string, path: string[], input: unknown) =>
      context.addIssue({ code: 'custom', message, path, input });
    if ((source.file === undefined) === (source.command === undefined))
      wrong('expected either `file` or `command`', [], source);
    if (source.command !== undefined) return;
    for (const field of OF_COMMANDS)
      if (source[field] !== undefined) wrong('goes with `command` only', [field], source[field]);
  });

/** A name that `@name` and a variable can say. */
const groupName = z
  .string()
  .regex(/^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,127}$/u, 'a name of letters, digits, _, . and -, at most 128');

/** The one schema of `keylane.yaml`. Options of the engine are the engine's own, those of the service the service's. */
export const configSchema = z.strictObject({
  ...engineOptions.omit({ onEvent: true, config: true }).shape,
  ssh: sshOptions.omit({ confirmHostKey: true }).optional(),
  drivers: z.array(path).optional(),
  groups: z.record(groupName, group).optional(),
  inventories: z.array(inventory).max(100).optional(),
  serve: serveSection.optional(),
});

/** The same for editors, as JSON Schema, without descriptions: scripts/config-schema.mjs adds them. */
export function jsonSchema(): object {
  return z.toJSONSchema(configSchema, { target: 'draft-07', io: 'input', unrepresentable: 'any' });
}
