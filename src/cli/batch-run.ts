import { type BatchReport, type Clock, KeylaneError, type Outcome, type Result } from '../index.js';
import type { BatchOut } from './batch-out.js';
import { RejectedRecipients } from './batch-rejected.js';
import type { RunFlags } from './batch-run-flags.js';
import { endText } from './batch-text.js';
import { BatchWriter, type KeptLines } from './batch-writer.js';
import { type Paint, painter } from './colors.js';
import { exitStatus } from './exit-status.js';
import { counted, grouped, longTime } from './figures.js';
import { Interrupts } from './interrupts.js';
import type { Io } from './io.js';
import { answerOf, nameOf, resultItem } from './item.js';
import { GatheredText } from './output-text.js';
import { Progress, type Underway } from './progress.js';
import { Screen } from './screen.js';
import { Summary } from './summary.js';
import { visible } from './visible.js';

/** A batch that is run here. */
export interface RunningBatch extends AsyncIterable<Result> {
  pause(): void;
  resume(): void;
  drain(): void;
  readonly progress: { inFlight: number };
}

/** What the journal has of it. */
export interface Kept extends KeptLines {
  id: string;
  /** Flags by which another command finds it. */
  where: string;
  /** How many had a result when this process began. */
  outcomes: Readonly<Record<Outcome, number>>;
  report(): Promise<BatchReport>;
}

export interface BatchRunOptions {
  /** Of the command, for its messages. */
  name: string;
  flags: RunFlags;
  total: number | undefined;
  out: BatchOut | undefined;
  /** Undefined without a journal. */
  kept: Kept | undefined;
  /** Cuts it. */
  cut: AbortController;
}

const NONE = { ok: 0, failed: 0, not_started: 0, unknown: 0, canceled: 0 };
/** What is worth a retry, and by which flag it is taken. */
const RETRIED: readonly [Outcome, string][] = [
  ['failed', '--failed'],
  ['not_started', '--not-started'],
  ['canceled', '--canceled'],
];
/** What is under way for longer is worth a word. */
const SLOW_MS = 1_000;

/** One run of a batch: results in, lines and an exit status out. */
export class BatchRun implements Underway {
  readonly total: number | undefined;
  readonly outcomes: Record<Outcome, number>;
  readonly settledBefore: number;
  settled: number;
  readonly #about: BatchRunOptions;
  readonly #io: Io;
  readonly #clock: Clock;
  readonly #screen: Screen;
  readonly #writer: BatchWriter;
  /** Without a journal, which would know. */
  readonly #summary: Summary | undefined;
  readonly #rejected = new RejectedRecipients();
  readonly #startedAt: number;
  /** By index, the oldest first. */
  readonly #inFlight = new Map<number, { name: string; at: number }>();
  #progress: Progress | undefined;
  #interrupted: number | undefined;
  #failure: KeylaneError | undefined;

  constructor(about: BatchRunOptions, io: Io, clock: Clock) {
    const { flags, total, out, kept } = about;
    this.#about = about;
    this.#io = io;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.total = total;
    this.outcomes = { ...(kept?.outcomes ?? NONE) };
    this.settledBefore = kept?.settled ?? 0;
    this.settled = this.settledBefore;
    this.#screen = new Screen(io, out?.stream, () => this.#about.cut.abort());
    const { format, ordered = false } = flags;
    const paint = { out: this.#paint('out'), err: this.#paint('err') };
    const text = format === 'text' ? new GatheredText(this.#screen, { prefix: true, paint }, ordered) : undefined;
    this.#writer = new BatchWriter(this.#screen, { ordered, file: out?.file, kept, text });
    this.#summary = kept ? undefined : new Summary('request');
  }

  /** Where there is room for it beside the figures. */
  get bar(): boolean {
    return this.#screen.columns >= 100;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The progress line's last words: who keeps it waiting. */
  get note(): string | undefined {
    const [oldest] = this.#inFlight.values();
    const ms = oldest ? this.#clock.now() - oldest.at : 0;
    return oldest && ms >= SLOW_MS ? `slowest ${visible(oldest.name)} ${longTime(ms)}` : undefined;
  }

  /** Brings `--out` up to what the journal has. Throws a UsageError where it is not this batch's. */
  begin(): Promise<void> {
    return this.#writer.begin();
  }

  /** For `onStart` of the batch. */
  started(index: number, request: unknown): void {
    this.#inFlight.set(index, { name: nameOf(request) ?? String(index), at: this.#clock.now() });
    this.#progress?.changed();
  }

  /** Resolves when the batch has ended or cannot go on here. */
  async settleAll(batch: RunningBatch): Promise<void> {
    const { quiet, progress } = this.#about.flags;
    const interrupts = new Interrupts(this.#io, {
      drain: () => this.#drain(batch),
      cut: () => this.#cutNow(),
      pause: () => this.#pause(batch),
      resume: () => this.#resume(batch),
    });
    if (!quiet && progress && this.#screen.isTerminal('err'))
      this.#progress = new Progress(this.#screen, this, this.#clock);
    this.#announce();
    try {
      for await (const result of batch) await this.#settle(result);
    } catch (error) {
      if (!(error instanceof KeylaneError)) throw error;
      // A full disk, a broken journal: what was handed out is kept, and the rest can be gone on with.
      this.#failure = error;
    } finally {
      interrupts.stop();
      this.#interrupted = interrupts.status;
      this.#progress?.stop();
      this.#progress = undefined;
    }
  }

  /** Writes what is left to write, says how to go on, and decides the exit status. */
  async end(): Promise<number> {
    const report = await this.#report();
    const outcomes = report?.outcomes ?? this.outcomes;
    // Of what was called off the journal has lines that nobody handed out.
    if (report?.state === 'canceled' && !this.#screen.failure) await this.#writer.complete();
    this.#writer.end();
    await this.#screen.end();
    const { failure } = this.#screen;
    if (!this.#about.flags.quiet && failure !== 'closed') {
      const paint = this.#paint('err');
      const text = report ? endText(report, paint) : this.#summary?.text(this.#clock.now() - this.#startedAt, paint);
      this.#screen.write('err', `${text ?? ''}${this.#rejected.text()}`);
    }
    if (this.#failure) this.#say(`${this.#failure.code}: ${visible(this.#failure.message)}`);
    if (failure !== undefined && failure !== 'closed') this.#say(`cannot write the output: ${failure.message}`);
    if (report) this.#sayWhatNext(report);
    else if (this.#about.kept) this.#say(`to go on: ${this.#command('resume')}`);
    // A signal that came when all had been done has interrupted nothing.
    const isEnded = report !== undefined && report.state !== 'interrupted';
    // 128 + SIGPIPE: as if the signal had ended us, which Node ignores.
    if (failure === 'closed') return this.#interrupted ?? 141;
    const interrupted = isEnded ? undefined : this.#interrupted;
    const status = exitStatus({ interrupted, outputFailed: failure !== undefined, outcomes, maxRc: undefined });
    return status === 0 && (this.#failure || report?.state === 'interrupted') ? 3 : status;
  }

  /** The command that goes on, where there is something to go on with. */
  #sayWhatNext({ state, why, settled, outcomes }: BatchReport): void {
    const { quiet } = this.#about.flags;
    const reason = why === undefined ? '' : `: ${visible(why)}`;
    if (state === 'interrupted') {
      const done = `${grouped(settled)} of ${this.total === undefined ? '?' : grouped(this.total)}`;
      this.#say(`interrupted with ${done} settled; to go on: ${this.#command('resume')}`);
      return;
    }
    const again = RETRIED.filter(([outcome]) => outcomes[outcome] > 0).map(([, flag]) => flag);
    const retry = again.length > 0 ? this.#command('retry', ...again) : undefined;
    if (state === 'stopped' || state === 'canceled')
      this.#say(`${state}${reason}${retry ? `; to run what is left: ${retry}` : ''}`);
    else if (retry && !quiet) this.#say(`to run these again: ${retry}`);
    if (outcomes.unknown > 0 && !quiet)
      this.#say(`what may have run is run again only if you ask for it: ${this.#command('retry', '--unknown')}`);
  }

  #command(name: 'resume' | 'retry', ...flags: string[]): string {
    const { kept } = this.#about;
    return `${['keylane batch', name, kept?.id, ...flags].join(' ')}${kept?.where}`;
  }

  /** Undefined where the journal cannot even be read. */
  async #report(): Promise<BatchReport | undefined> {
    try {
      return await this.#about.kept?.report();
    } catch (error) {
      if (!(error instanceof KeylaneError)) throw error;
      this.#failure ??= error;
      return undefined;
    }
  }

  async #settle(result: Result): Promise<void> {
    this.outcomes[result.outcome]++;
    this.settled++;
    const began = this.#inFlight.get(result.index);
    this.#inFlight.delete(result.index);
    this.#progress?.changed();
    const tookMs = began && this.#clock.now() - began.at;
    this.#summary?.add(resultItem(result), answerOf(result), tookMs, true);
    this.#rejected.add(result);
    await this.#writer.result(result);
  }

  #announce(): void {
    const { kept, flags } = this.#about;
    if (!kept || flags.quiet) return;
    const total = this.total === undefined ? '' : `, ${counted(this.total, 'request')}`;
    const before = this.settledBefore > 0 ? `, ${grouped(this.settledBefore)} settled before` : '';
    this.#say(`batch ${kept.id}${total}${before}`);
  }

  #drain(batch: RunningBatch): void {
    batch.drain();
    // A turn later: what waits for its group is taken back, and is not waited for.
    setImmediate(() => {
      const inFlight = counted(batch.progress.inFlight, 'request');
      this.#say(`waiting for ${inFlight} in flight, and starting no more; Ctrl-C again to cut`);
    });
  }

  #cutNow(): void {
    this.#say(`cutting ${counted(this.inFlight, 'request')} in flight; Ctrl-C again to leave at once`);
    this.#about.cut.abort();
  }

  #pause(batch: RunningBatch): void {
    batch.pause();
    this.#say(`paused, ${counted(this.inFlight, 'request')} in flight; SIGUSR2 or SIGCONT goes on`);
  }

  #resume(batch: RunningBatch): void {
    batch.resume();
    this.#say('going on');
  }

  #say(text: string): void {
    this.#screen.write('err', `keylane batch ${this.#about.name}: ${text}\n`);
  }

  #paint(stream: 'out' | 'err'): Paint {
    return painter(this.#about.flags.color, this.#screen.isTerminal(stream), this.#io.env);
  }
}
