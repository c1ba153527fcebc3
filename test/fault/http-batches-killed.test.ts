import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../e2e/exec-cli.ts';
import { brokenPromises, mixedJobs, type Promised, type Recorded, Witness } from '../support/batch-witness.ts';
import { until } from '../support/engine.ts';
import { NDJSON } from '../support/http-batches.ts';
import { HttpStream } from '../support/http-stream.ts';
import { descendants, kill } from '../support/process-tree.ts';
import { Serving } from '../support/serve.ts';

let witness: Witness;
beforeAll(async () => {
  witness = await Witness.start(['127.71.0.1', '127.71.0.2', '127.71.0.3']);
});
afterAll(async () => {
  await witness?.sshd.stop();
});

const COUNT = process.env.KEYLANE_LONG ? 2_000 : 36;
const RESULTS = /^\{"index"/;

/** The tests run at once. */
const DIRS: string[] = [];
afterAll(() => {
  for (const dir of DIRS) rmSync(dir, { recursive: true, force: true });
});

function dataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-http-batch-'));
  DIRS.push(dir);
  return dir;
}

/** A batch of a service that dies. */
class Submitted {
  readonly jobs: Promised[];
  readonly body: string;
  readonly key: string;

  constructor(key: string) {
    this.key = key;
    this.jobs = mixedJobs(COUNT).map((job) => ({ ...job, id: `${key}-${job.id}` }));
    this.body = `${witness
      .lines(this.jobs)
      .map((line) => JSON.stringify(line))
      .join('\n')}\n`;
  }

  async to(serving: Serving, query = '?concurrency=6'): Promise<{ status: number; id: string; state: string }> {
    const answer = await fetch(`${serving.url}/v1/batches${query}`, {
      method: 'POST',
      headers: { ...bearer(serving), 'content-type': NDJSON, 'idempotency-key': this.key },
      body: this.body,
    });
    return { status: answer.status, ...((await answer.json()) as { id: string; state: string }) };
  }

  counts(): Map<string, number> {
    return new Map([...witness.counts()].filter(([id]) => id.startsWith(`${this.key}-`)));
  }

  ran(count: number): Promise<void> {
    return witness.until(() => this.counts().size >= count);
  }
}

function bearer({ token }: Serving): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Reads results until the answer ends, however it does. */
async function results(serving: Serving, id: string, into: Recorded[] = []): Promise<Recorded[]> {
  let text = '';
  try {
    const answer = await fetch(`${serving.url}/v1/batches/${id}/results?follow=true`, { headers: bearer(serving) });
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece;
  } catch {
    // It was cut off: what is there was told.
  }
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  into.push(...lines.filter((line) => RESULTS.test(line)).map((line) => JSON.parse(line) as Recorded));
  return into;
}

async function killed(serving: Serving): Promise<void> {
  serving.child.kill('SIGKILL');
  await serving.end();
}

test.concurrent('a service that is killed in a batch goes on with it when it is started again: 0 lost, 0 twice (R1, R2, W7)', async () => {
  const dir = dataDir();
  const batch = new Submitted('killed');
  let serving = await Serving.start(['--no-restart'], dir);
  const { id, status } = await batch.to(serving);
  expect(status).toBe(201);
  const told: Recorded[] = [];
  for (const share of [1 / 3, 2 / 3]) {
    const following = results(serving, id, told);
    await batch.ran(COUNT * share);
    await killed(serving);
    await following;
    told.splice(0, told.length, ...new Map(told.map((line) => [line.index, line])).values());
    serving = await Serving.start(['--no-restart'], dir);
  }
  const recorded = await results(serving, id);
  const { jobs } = batch;
  expect(brokenPromises({ jobs, counts: batch.counts(), acknowledged: told, recorded })).toEqual([]);
  // The key is still the key of this batch.
  expect(await batch.to(serving)).toMatchObject({ status: 200, id, state: 'done' });
});

test.concurrent('a service that dies of an abort in a batch is started again by the process above it, and goes on (W7)', async () => {
  const serving = await Serving.start([], dataDir());
  const batch = new Submitted('aborted');
  const { id } = await batch.to(serving);
  await batch.ran(COUNT / 2);
  const [worker] = descendants(serving.child.pid!);
  kill(worker!, 'SIGABRT');
  await serving.until('out', '\n', 2);
  const recorded = await results(serving, id);
  expect(brokenPromises({ jobs: batch.jobs, counts: batch.counts(), acknowledged: [], recorded })).toEqual([]);
  serving.child.kill('SIGTERM');
  await serving.end();
});

test.concurrent('what is left of a body whose service was killed blocks nobody: the same key makes its batch', async () => {
  const dir = dataDir();
  let serving = await Serving.start(['--no-restart'], dir);
  const batch = new Submitted('upload');
  const headers = { 'idempotency-key': batch.key };
  const half = new HttpStream({ url: serving.url, token: serving.token }, headers, '/v1/batches?concurrency=6');
  half.request.write(batch.body.slice(0, batch.body.length / 2));
  await until(() => left(dir).some((name) => name.endsWith('.part')));
  await killed(serving);
  expect(left(dir)).not.toEqual([]);
  serving = await Serving.start(['--no-restart'], dir);
  const { status, id } = await batch.to(serving);
  expect(status).toBe(201);
  const recorded = await results(serving, id);
  expect(brokenPromises({ jobs: batch.jobs, counts: batch.counts(), acknowledged: [], recorded })).toEqual([]);
  expect(left(dir).some((name) => name.endsWith('.part'))).toBe(false);
});

test.concurrent('what a service leaves when it is stopped the command line goes on with, in the same way', async () => {
  const dir = dataDir();
  const serving = await Serving.start(['--no-restart'], dir);
  const batch = new Submitted('stopped');
  const { id } = await batch.to(serving, '?concurrency=3&attempts=2');
  await batch.ran(10);
  serving.child.kill('SIGTERM');
  expect((await serving.end()).status).toBe(0);
  const { out } = await run(['batch', 'list', '--data-dir', dir]);
  expect(out).toContain(id);
  expect(out).toContain('interrupted');
  const resumed = await run(['batch', 'resume', id, '--data-dir', dir, '-q']);
  expect(resumed.err).not.toContain('interrupted');
  const exported = await run(['batch', 'export', id, '--data-dir', dir]);
  const recorded = exported.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded);
  expect(brokenPromises({ jobs: batch.jobs, counts: batch.counts(), acknowledged: [], recorded })).toEqual([]);
  // Nothing was cut: the service let what was in flight end.
  expect(recorded.filter(({ error }) => error?.code === 'ERR_INTERRUPTED')).toEqual([]);
});

function left(dir: string): string[] {
  const batches = join(dir, 'batches');
  return existsSync(batches) ? readdirSync(batches, { recursive: true }).map(String) : [];
}
