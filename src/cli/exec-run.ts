import {
  type BatchOptions,
  type Clock,
  KeylaneError,
  type Result,
  type SshRequest,
  type SshResponse,
} from '../index.js';
import { type Paint, painter } from './colors.js';
import { exitStatus, remoteStatus } from './exit-status.js';
import { counted } from './figures.js';
import type { ExecFlags } from './flags.js';
import { Interrupts } from './interrupts.js';
import type { Io } from './io.js';
import { type HostResult, type Item, neverTried } from './item.js';
import type { Output } from './output.js';
import { OutputFiles } from './output-files.js';
import { FoldedText } from './output-fold.js';
import { Json, Ndjson } from './output-json.js';
import { GatheredText, LiveText } from './output-text.js';
import { Progress } from './progress.js';
import { Screen } from './screen.js';
import { Summary } from './summary.js';
import { Tally } from './tally.js';

/** As much of an engine as a run needs. */
export interface ExecEngine {
  batch(
    driver: 'ssh',
    requests: Iterable<SshRequest>,
    options: BatchOptions<SshRequest>,
  ): AsyncIterable<Result<SshRequest, SshResponse>>;
  close(): Promise<void>;
  destroy(reason?: string): Promise<void>;
}

/** What one host is asked, and under which labels. */
export interface Asked {
  request: SshRequest;
  labels: readonly string[];
}

/** The flags that a run looks at. */
export type RunFlags = Pick<
  ExecFlags,
  'out' | 'color' | 'quiet' | 'progress' | 'timeout' | 'attempts' | 'concurrency' | 'format' | 'prefix'
> &
  Partial<Pick<ExecFlags, 'maxRc' | 'fold' | 'ordered' | 'outDir' | 'cache' | 'fresh'>>;

/** What another command than `exec` does otherwise. */
export interface RunKind {
  /** Of the command, for its messages. */
  name: string;
  /** Its text. */
  text: (screen: Screen) => Output;
}

/** One run over its hosts: results in, output and an exit status out. */
export class ExecRun {
  readonly #items: readonly Item[];
  readonly #flags: RunFlags;
  readonly #name: string;
  readonly #io: Io;
  readonly #clock: Clock;
  readonly #cut = new AbortController();
  readonly #screen: Screen;
  readonly #paint: Record<'out' | 'err', Paint>;
  readonly #output: Output;
  readonly #summary = new Summary();
  readonly #tally: Tally;
  /** By index, of what is in flight. */
  readonly #startedAt = new Map<number, number>();
  #draining = false;
  #progress: Progress | undefined = undefined;
  #interrupted: number | undefined = undefined;
  #fileError: Error | undefined = undefined;
  #maxRc = 0;

  /** Throws a UsageError if the output cannot be opened. */
  constructor(items: readonly Item[], flags: RunFlags, io: Io, clock: Clock, kind?: RunKind) {
    this.#name = kind?.name ?? 'exec';
    this.#items = items;
    this.#flags = flags;
    this.#io = io;
    this.#clock = clock;
    this.#tally = new Tally(items.length);
    this.#screen = new Screen(io, flags.out, () => this.#cut.abort());
    const paint = (stream: 'out' | 'err') => painter(flags.color, this.#screen.isTerminal(stream), io.env);
    this.#paint = { out: paint('out'), err: paint('err') };
    this.#output =
      kind && flags.format === 'text' ? kind.text(this.#screen) : outputOf(flags, this.#screen, this.#paint);
  }

  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Resolves when every host has a result, be it that it was never tried. */
  async settleAll(engine: ExecEngine, ask: (item: Item) => Asked): Promise<void> {
    const good = this.#items.filter((item) => item.error === undefined);
    const interrupts = new Interrupts(this.#io, { drain: () => this.#drain(), cut: () => this.#cutNow() });
    const { quiet, progress, timeout, attempts, concurrency, cache, fresh = false } = this.#flags;
    if (!quiet && progress && this.#screen.isTerminal('err')) {
      this.#progress = new Progress(this.#screen, this.#tally, this.#clock);
    }
    try {
      for (const { error, index } of this.#items) if (error) await this.#settle(this.#items[index]!, neverTried(error));
      const onChunk: BatchOptions['onChunk'] = (at, chunk) => {
        this.#output.chunk(good[at]!, chunk);
        this.#progress?.changed();
      };
      const labels = new WeakMap<SshRequest, readonly string[]>();
      const results = engine.batch('ssh', this.#requests(good, ask, labels), {
        labels: (request) => labels.get(request),
        concurrency,
        timeoutMs: timeout,
        attempts,
        signal: this.cut,
        ...(this.#output.live ? { onChunk } : {}),
        ...(cache === undefined ? {} : { cache: { ttlMs: cache, persist: true, fresh } }),
      });
      for await (const { index, request: _, ...result } of results) {
        this.#tally.returned++;
        await this.#settle(good[index]!, result);
      }
      for (const item of good.slice(this.#tally.started)) {
        const why = new KeylaneError('ERR_CANCELED', 'interrupted before it started', { outcome: 'not_started' });
        await this.#settle(item, neverTried(why));
      }
    } finally {
      interrupts.stop();
      this.#interrupted = interrupts.status;
      this.#progress?.stop();
      this.#progress = undefined;
    }
  }

  /** Writes what is left to write, and decides the exit status. */
  async end(elapsedMs: number): Promise<number> {
    this.#output.end();
    await this.#screen.end();
    const { failure } = this.#screen;
    // 128 + SIGPIPE: as if the signal had ended us, which Node ignores.
    if (failure === 'closed') return this.#interrupted ?? 141;
    if (this.#flags.format === 'text' && !this.#flags.quiet) {
      this.#screen.write('err', this.#summary.text(elapsedMs, this.#paint.err));
    }
    const broken = failure ?? this.#fileError;
    if (broken) this.#say(`cannot write the output: ${broken.message}`);
    return exitStatus({
      interrupted: this.#interrupted,
      outputFailed: broken !== undefined,
      outcomes: this.#tally.outcomes,
      maxRc: this.#flags.maxRc ? this.#maxRc : undefined,
    });
  }

  /** The input of the batch. It ends when a drain was asked for. */
  *#requests(
    good: readonly Item[],
    ask: (item: Item) => Asked,
    labelled: WeakMap<SshRequest, readonly string[]>,
  ): Generator<SshRequest> {
    for (const item of good) {
      if (this.#draining || this.cut.aborted) return;
      this.#tally.started++;
      this.#startedAt.set(item.index, this.#clock.now());
      this.#progress?.changed();
      const { request, labels } = ask(item);
      if (labels.length > 0) labelled.set(request, labels);
      yield request;
    }
  }

  async #settle(item: Item, result: HostResult): Promise<void> {
    this.#tally.settle(result.outcome);
    this.#progress?.changed();
    const startedAt = this.#startedAt.get(item.index);
    this.#startedAt.delete(item.index);
    const tookMs = startedAt === undefined ? undefined : this.#clock.now() - startedAt;
    this.#summary.add(item, result, tookMs, !this.#output.live);
    if (result.response) this.#maxRc = Math.max(this.#maxRc, remoteStatus(result.response));
    if (this.#fileError) return;
    try {
      await this.#output.result(item, result);
      await this.#screen.ready();
    } catch (error) {
      this.#fileError = error as Error;
      this.#cut.abort();
    }
  }

  #drain(): void {
    this.#draining = true;
    const { total, started, inFlight } = this.#tally;
    this.#say(
      `waiting for ${counted(inFlight, 'host')} in flight, ${total - started} will not start; Ctrl-C again to cut`,
    );
  }

  #cutNow(): void {
    this.#draining = true;
    this.#say(`cutting ${counted(this.#tally.inFlight, 'host')} in flight; Ctrl-C again to leave at once`);
    this.#cut.abort();
  }

  #say(text: string): void {
    this.#screen.write('err', `keylane ${this.#name}: ${text}\n`);
  }
}

function outputOf(flags: RunFlags, screen: Screen, paint: Record<'out' | 'err', Paint>): Output {
  const printed = printedOf(flags, screen, paint);
  if (flags.outDir !== undefined) return new OutputFiles(flags.outDir, printed);
  return printed ?? new LiveText(screen, { prefix: flags.prefix, paint });
}

/** What is printed besides files; undefined for text that nobody asked to gather. */
function printedOf(flags: RunFlags, screen: Screen, paint: Record<'out' | 'err', Paint>): Output | undefined {
  const { format, fold, ordered = false, outDir, prefix, cache } = flags;
  if (format === 'json') return new Json(screen);
  if (format === 'ndjson') return new Ndjson(screen, ordered);
  if (fold) return new FoldedText(screen, ordered);
  const gathered = (ordered || cache !== undefined) && outDir === undefined;
  return gathered ? new GatheredText(screen, { prefix, paint }, ordered) : undefined;
}
