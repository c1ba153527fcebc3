import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { IndexedJob, JobSource } from '../../../../src/batch-types.js';
import { KeylaneError } from '../../../../src/errors.js';

export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-input-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The path of a file of this text. */
export function written(name: string, text: string | Buffer): string {
  const path = join(scratch(), name);
  writeFileSync(path, text);
  return path;
}

export async function all(source: JobSource, wanted: (index: number) => boolean = () => true): Promise<IndexedJob[]> {
  const jobs: IndexedJob[] = [];
  for await (const job of source.read(wanted)) jobs.push(job);
  return jobs;
}

/** What it is refused for: lines with the file by its last name. */
export async function refusal(promise: Promise<unknown>, code = 'ERR_INPUT'): Promise<string> {
  const error = await promise.then(
    () => expect.fail('it was not refused'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(KeylaneError);
  expect((error as KeylaneError).code).toBe(code);
  return (error as KeylaneError).message.replaceAll(/\/tmp\/keylane-input-\w+\//g, '');
}

/** A line of the driver `echo`. */
export function line(more: object = {}): string {
  return JSON.stringify({ driver: 'echo', request: { key: 'a' }, ...more });
}
