import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBatches } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/util/clock.js';
import { Life, type LifeSettings, POINTS, recordedOf } from '../support/batch-lives.ts';
import { brokenPromises, mixedJobs, type Recorded, Witness } from '../support/batch-witness.ts';
import { type Random, seeded } from '../support/seed.ts';

const [JOBS, KILLS] = process.env.KEYLANE_LONG ? [10_000, 100] : [300, 6];
const CONCURRENCY = 12;
const MIXED = mixedJobs(JOBS);

/** How one life ends. */
type Death = { kind: 'time' } | { kind: 'own'; name: string } | { kind: 'peer'; at: 'before' | 'after' };

/** Whoever does not wait for the disk, or does not say what it has not heard, is found by these. */
const ALWAYS: readonly Death[] = [
  { kind: 'own', name: 'within-intent' },
  { kind: 'own', name: 'within-result' },
  { kind: 'peer', at: 'before' },
  { kind: 'peer', at: 'after' },
];
const SOMETIMES: readonly Death[] = POINTS.own
  .filter((name) => !name.startsWith('within'))
  .map((name) => ({ kind: 'own', name }));

/** Half of them at any time, the others at named points; in any order. */
function deathsOf(random: Random): Death[] {
  const first = random.below(SOMETIMES.length);
  const others = SOMETIMES.map((_, i) => SOMETIMES[(first + i) % SOMETIMES.length]!);
  const named = [...ALWAYS, ...others];
  const deaths = Array.from({ length: KILLS }, (_, i): Death => {
    return i % 2 === 0 ? { kind: 'time' } : named[((i - 1) / 2) % named.length]!;
  });
  const drawn = deaths.map((death) => ({ death, at: random.next() }));
  return drawn.sort((one, other) => one.at - other.at).map(({ death }) => death);
}

/** A batch in its lives. What it takes to start and to do a job is learned, so that kills fall everywhere. */
class Batch {
  readonly witness: Witness;
  readonly dataDir = mkdtempSync(join(tmpdir(), 'keylane-kill-'));
  readonly acknowledged: Pick<Recorded, 'id' | 'outcome'>[] = [];
  readonly died: string[] = [];
  readonly #settings: Omit<LifeSettings, 'gate' | 'resume'>;
  readonly #random: Random;
  #exists = false;
  #startMs = 1_000;
  #jobMs = 10;

  constructor(witness: Witness, random: Random) {
    this.witness = witness;
    this.#random = random;
    const jobs = join(this.dataDir, 'jobs.ndjson');
    const lines = witness.lines(MIXED).map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(jobs, lines.join(''));
    this.#settings = { dataDir: this.dataDir, id: 'killed', jobs, concurrency: CONCURRENCY };
  }

  /** Lives until it is killed, or has done what there is up to `gate`. */
  async live(death: Death, gate: number, share: number): Promise<void> {
    const most = 2 * this.#startMs + share * this.#jobMs;
    const nth = 1 + this.#random.below(death.kind === 'own' && /^(within|flushed)/.test(death.name) ? 3 : share / 3);
    const life = this.#start(gate, death.kind === 'own' ? { name: death.name, nth } : undefined);
    const begun = systemClock.now();
    void life.starts().then(() => {
      this.#startMs = systemClock.now() - begun;
    });
    const over = new AbortController();
    // A point that is not come by: there was too little left to do.
    const last = systemClock.timer(death.kind === 'time' ? this.#random.next() * most : 3 * most, () => life.kill());
    if (death.kind === 'peer') void this.#killAtPeer(life, death.at, share, over.signal);
    const end = await life.end;
    last.cancel();
    over.abort();
    this.died.push(death.kind === 'own' ? death.name : death.kind === 'peer' ? `peer ${death.at}` : 'time');
    await this.#learn(life, end, 'SIGKILL');
  }

  async end(): Promise<void> {
    const life = this.#start(JOBS, undefined);
    await this.#learn(life, await life.end, 0);
    expect(life.isDone).toBe(true);
  }

  recorded(): Promise<Recorded[]> {
    return recordedOf(this.dataDir, 'killed');
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** By outcome, what the journal has results of. */
  async #tally(): Promise<Record<string, number>> {
    const counts = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
    for (const { outcome } of await this.recorded()) counts[outcome as keyof typeof counts]++;
    return counts;
  }

  #start(gate: number, point: LifeSettings['point']): Life {
    return new Life({ ...this.#settings, gate, resume: this.#exists, point });
  }

  async #killAtPeer(life: Life, at: 'before' | 'after', share: number, signal: AbortSignal): Promise<void> {
    await life.acknowledges(this.#random.below(share / 2));
    if ((await this.witness.stopNext(at, signal)) !== undefined) life.kill();
  }

  async #learn(life: Life, end: number | string, expected: number | string): Promise<void> {
    expect({ end, refused: life.refused }, life.err).toEqual({ end: expected, refused: undefined });
    this.acknowledged.push(...life.acknowledged);
    const [summary] = await openBatches({ dataDir: this.dataDir }).list();
    this.#exists = summary !== undefined;
    if (summary) expect(await this.#tally()).toEqual(summary.counts);
  }
}

test(
  `R1, R2, R3: ${KILLS} times killed, ${JOBS} jobs are recorded once each and none that may not is run twice`,
  async () => {
    const random = seeded();
    await using witness = await Witness.start(['127.66.0.1', '127.66.0.2', '127.66.0.3', '127.66.0.4']);
    const batch = new Batch(witness, random);
    onTestFinished(() => batch.remove());
    const share = JOBS / (KILLS + 1);
    const deaths = deathsOf(random);
    for (const [i, death] of deaths.entries()) await batch.live(death, Math.ceil(share * (i + 1)), share);
    await batch.end();
    const counts = witness.counts();
    const recorded = await batch.recorded();
    const { acknowledged } = batch;
    expect(brokenPromises({ jobs: MIXED, counts, acknowledged, recorded })).toEqual([]);
    const unknown = recorded.filter(({ outcome }) => outcome === 'unknown');
    const ran = unknown.filter(({ id }) => counts.has(id)).length;
    const again = [...counts.values()].filter((times) => times > 1).length;
    console.log(
      `${unknown.length} unknown, ${ran} of them ran; ${again} idempotent ones ran again; ${batch.died.join(', ')}`,
    );
  },
  process.env.KEYLANE_LONG ? 1_200_000 : 120_000,
);
