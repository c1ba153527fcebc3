import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Bell } from '../../src/util/bell.ts';
import { Cli, MAIN, run } from '../e2e/exec-cli.ts';
import { brokenPromises, mixedJobs, type Promised, type Recorded, Witness } from '../support/batch-witness.ts';
import { until } from '../support/engine.ts';
import { descendants, kill, runs } from '../support/process-tree.ts';
import { seeded } from '../support/seed.ts';

const ENV = { KEYLANE_CONFIG: 'none' };
/** Some cannot be reached, so not all are well. */
const STATUS = 3;
const [JOBS, KILLS] = process.env.KEYLANE_LONG ? [2_000, 20] : [120, 2];
/** Of the jobs, what a life may do at most. */
const SHARE = JOBS / (KILLS + 2);
const TIMEOUT = process.env.KEYLANE_LONG ? 600_000 : 60_000;

let witness: Witness;
beforeAll(async () => {
  witness = await Witness.start(['127.67.0.1', '127.67.0.2', '127.67.0.3', '127.67.0.4']);
});
afterAll(async () => {
  await witness?.sshd.stop();
});

/** A batch of the command line, with a file of results. */
class CliBatch {
  readonly dir = mkdtempSync(join(tmpdir(), 'keylane-batch-'));
  readonly out = join(this.dir, 'results.ndjson');
  readonly jobs: Promised[];
  readonly #before: ReadonlyMap<string, number>;

  constructor(prefix: string, count: number) {
    onTestFinished(() => rmSync(this.dir, { recursive: true, force: true }));
    this.jobs = mixedJobs(count).map((job) => ({ ...job, id: `${prefix}-${job.id}` }));
    const lines = witness.lines(this.jobs).map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(join(this.dir, 'jobs.ndjson'), lines.join(''));
    this.#before = witness.counts();
  }

  args(...more: string[]): string[] {
    const input = [join(this.dir, 'jobs.ndjson'), '--id', 'batch', '--out', this.out];
    return ['batch', 'run', ...input, '-F', 'none', '-c', '6', '--data-dir', this.dir, ...more];
  }

  resume(...more: string[]): string[] {
    return ['batch', 'resume', 'batch', '--data-dir', this.dir, ...more];
  }

  counts(): Map<string, number> {
    return new Map([...witness.counts()].filter(([id]) => !this.#before.has(id)));
  }

  /** All is as promised, and the file and `export` say the same. */
  async check(): Promise<Recorded[]> {
    const exported = await run(['batch', 'export', 'batch', '--data-dir', this.dir]);
    expect(exported).toMatchObject({ status: 0, err: '' });
    expect(readFileSync(this.out, 'utf8')).toBe(exported.out);
    const recorded = exported.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Recorded);
    const { jobs } = this;
    expect(brokenPromises({ jobs, counts: this.counts(), acknowledged: recorded, recorded })).toEqual([]);
    return recorded;
  }
}

/** The process that does the work, below the one that starts it again. */
function worker({ pid }: ChildProcess): number {
  return descendants(pid!)[0] ?? 0;
}

/** Resolves when so many more of its commands ran. */
function goesOn(batch: CliBatch, most: number): Promise<void> {
  const least = batch.counts().size + most;
  return witness.until(() => batch.counts().size >= least);
}

test(
  'R1, R2: a command line that is killed and resumed writes each result to its file once, as export has it',
  async () => {
    const random = seeded();
    const batch = new CliBatch('killed', JOBS);
    for (let life = 0; life < KILLS; life++) {
      // Where another process stands above the one that does the work, the kill of the first means both.
      const alone = life % 2 === 0 ? ['--no-restart'] : [];
      const cli = new Cli(life === 0 ? batch.args(...alone) : batch.resume(...alone));
      await goesOn(batch, 1 + random.below(SHARE));
      const pid = life % 2 === 0 ? cli.child.pid! : worker(cli.child);
      cli.child.kill('SIGKILL');
      expect(await cli.end()).toMatchObject({ status: null });
      await until(() => !runs(pid));
    }
    expect(await run(batch.resume())).toMatchObject({ status: STATUS });
    await batch.check();
  },
  TIMEOUT,
);

test(
  'a retry that was killed is gone on with, and not begun again',
  async () => {
    const batch = new CliBatch('retried', 8);
    expect(await run(batch.args())).toMatchObject({ status: STATUS });
    const retry = ['batch', 'retry', 'batch', '--failed', '--data-dir', batch.dir, '--no-restart'];
    const over = new AbortController();
    const held = witness.stopNext('after', over.signal);
    const cli = new Cli(retry);
    expect(await held).toBe('retried-job-3');
    cli.child.kill('SIGKILL');
    await cli.end();
    const again = await run(retry);
    expect(again).toMatchObject({ status: 2, out: '' });
    expect(again.err).toContain('keylane batch resume batch-retry-1');
    const resumed = await run(['batch', 'resume', 'batch-retry-1', '--data-dir', batch.dir]);
    expect(JSON.parse(resumed.out)).toMatchObject({ id: 'retried-job-3', outcome: 'unknown' });
    expect(batch.counts().get('retried-job-3')).toBe(2);
  },
  TIMEOUT,
);

test(
  'W7: a command line whose work is aborted goes on by itself, and ends with the status of the batch',
  async () => {
    const random = seeded();
    const batch = new CliBatch('aborted', JOBS);
    const cli = new Cli(batch.args());
    for (const signal of ['SIGABRT', 'SIGSEGV', 'SIGBUS'] as const) {
      await goesOn(batch, 1 + random.below(JOBS / 5));
      kill(worker(cli.child), signal);
      await cli.until('err', `the process died (${signal})`);
    }
    const { status, err, out } = await cli.end();
    expect({ status, out }).toEqual({ status: STATUS, out: '' });
    expect(err).toContain('(restart 3 of 5): keylane batch resume batch');
    await batch.check();
  },
  TIMEOUT,
);

/** On a terminal of its own. */
class Terminal {
  readonly child: ChildProcess;
  shown = '';
  readonly #changed = new Bell();

  constructor(args: readonly string[]) {
    const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
    const env = { ...process.env, ...ENV };
    this.child = spawn('script', ['-qec', words, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'], env });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
      this.#changed.ring();
    });
  }

  async shows(text: string): Promise<void> {
    while (!this.shown.includes(text)) await this.#changed.wait();
  }

  press(keys: string): void {
    this.child.stdin?.write(keys);
  }
}

describe('on a terminal', () => {
  // One that goes away: test/e2e/batch-interrupt.test.ts.
  test('Ctrl-C twice cuts what runs, once each, and resume ends the batch', async () => {
    const batch = new CliBatch('ctrl-c', 40);
    const over = new AbortController();
    const held = witness.stopNext('after', over.signal);
    const terminal = new Terminal(batch.args());
    const id = await held;
    expect(id).toBeDefined();
    await witness.until(() => batch.counts().size > 10);
    terminal.press('\x03');
    await terminal.shows('in flight, and starting no more');
    terminal.press('\x03');
    await terminal.shows('cutting');
    const [status] = await once(terminal.child, 'close');
    expect(status).toBe(130);
    expect(terminal.shown).toContain('keylane batch resume batch');
    expect(terminal.shown).not.toContain('going on');
    expect(await run(batch.resume())).toMatchObject({ status: STATUS });
    const record = (await batch.check()).find((each) => each.id === id);
    const { idempotent } = batch.jobs.find((job) => job.id === id)!;
    expect(record?.outcome).toBe(idempotent ? 'ok' : 'unknown');
  });
});
