import { z } from 'zod';
import { check } from '../../util/check.js';
import type { InventoryOptions } from './inventory.js';
import type { InventorySource } from './types.js';

const text = z.string().min(1, 'expected a text that is not empty').max(4_096);
const texts = z.array(text).max(10_000);
const ms = z
  .int()
  .min(0)
  .max(31 * 86_400_000);
const format = z.enum(['ini', 'yaml', 'ansible-json', 'json', 'ssh-config', 'list']);
const map = z.strictObject({
  items: text.optional(),
  name: text.optional(),
  host: text.optional(),
  port: text.optional(),
  user: text.optional(),
  identity: text.optional(),
  labels: z.union([text, texts]).optional(),
  groups: z.union([text, texts]).optional(),
  vars: text.optional(),
});
const file = z.strictObject({ file: text, format: format.optional(), map: map.optional() });
const command = z.strictObject({
  command: z
    .array(z.string().refine((word) => !word.includes('\0'), 'must not hold NUL (\\0)'))
    .min(1, 'expected a program and its arguments')
    .max(4_096)
    .refine(([program]) => program !== '', 'expected a program and its arguments'),
  format: format.exclude(['ssh-config']).optional(),
  map: map.optional(),
  ttlMs: ms.optional(),
  staleOk: z.boolean().optional(),
  cwd: text.optional(),
  timeoutMs: ms.min(1).optional(),
});
const group = z.strictObject({
  hosts: z.union([z.string(), z.array(z.string())]).optional(),
  children: z.array(z.string()).optional(),
  port: z.int().optional(),
  user: z.string().optional(),
  identity: z.string().optional(),
  labels: texts.optional(),
  vars: z.record(z.string(), z.unknown()).optional(),
});
const groups = z.strictObject({ groups: z.record(z.string(), group), from: text.optional() });
const options = z.strictObject({
  skipBad: z.boolean().optional(),
  allowCommands: z.boolean().optional(),
  persist: z.boolean().optional(),
  dataDir: text.optional(),
  clock: z.custom().optional(),
  wallNow: z.custom().optional(),
});

/** Checks what `loadInventory` is given. A path is short for a file. */
export function checkInventory(
  source: unknown,
  settings: unknown,
): { sources: Exclude<InventorySource, string>[]; settings: InventoryOptions } {
  const sources = [source].flat().map((one, index) => {
    const what = Array.isArray(source) ? `source[${index}]` : 'source';
    if (typeof one === 'object' && one !== null) {
      const schema = 'groups' in one ? groups : 'command' in one ? command : file;
      return check<z.ZodType>(schema, one, what, 'ERR_CONFIG');
    }
    return { file: check(text, one, what, 'ERR_CONFIG') };
  });
  return {
    sources: sources as Exclude<InventorySource, string>[],
    settings: check(options, settings, 'options', 'ERR_CONFIG') as InventoryOptions,
  };
}
