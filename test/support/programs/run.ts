import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Runs a program of this folder in a process of its own. Rejects if it fails, or has not ended after 50 s. */
export async function runProgram(
  name: string,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
  env: Record<string, string> = {},
) {
  const file = fileURLToPath(new URL(`./${name}.mjs`, import.meta.url));
  const options = { timeout: 50_000, encoding: 'utf8' as const, env: { ...process.env, ...env } };
  return promisify(execFile)(process.execPath, [...nodeFlags, file, ...args], options);
}
