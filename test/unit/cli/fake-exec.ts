import { EventEmitter, setMaxListeners } from 'node:events';
import { PassThrough } from 'node:stream';
import { exec } from '../../../src/cli/exec.ts';
import type { ExecEngine } from '../../../src/cli/exec-run.ts';
import { type ExecFlags, execCommand } from '../../../src/cli/flags.ts';
import type { Io } from '../../../src/cli/io.ts';
import type { BatchOptions, Chunk, EngineOptions, Result, SshRequest, SshResponse } from '../../../src/index.ts';
import { KeylaneError } from '../../../src/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What a host of the fake engine answers: a response, or the error that ended the request. */
export type Answer = Partial<SshResponse> | KeylaneError;
export type Answering = (request: SshRequest, chunk: (chunk: Chunk) => void) => Answer | Promise<Answer>;

/** An engine without hosts: `answer` decides what each request comes to. An abort cancels what has no answer yet. */
export class FakeEngine implements ExecEngine {
  readonly requests: SshRequest[] = [];
  ended: 'no' | 'closed' | 'destroyed' = 'no';
  options: BatchOptions<SshRequest> = {};
  readonly #answer: Answering;

  constructor(answer: Answering) {
    this.#answer = answer;
  }

  async *batch(
    _: 'ssh',
    requests: Iterable<SshRequest>,
    options: BatchOptions<SshRequest>,
  ): AsyncGenerator<Result<SshRequest, SshResponse>> {
    this.options = options;
    if (options.signal) setMaxListeners(0, options.signal);
    const input = requests[Symbol.iterator]();
    const running = new Map<number, Promise<Result<SshRequest, SshResponse>>>();
    for (let index = 0; ; ) {
      while (
        running.size < (typeof options.concurrency === 'number' ? options.concurrency : 200) &&
        !options.signal?.aborted
      ) {
        const { done, value } = input.next();
        if (done) break;
        running.set(index, this.#one(index++, value, options));
      }
      if (running.size === 0) return;
      const result = await Promise.race(running.values());
      running.delete(result.index);
      yield result;
    }
  }

  async #one(
    index: number,
    request: SshRequest,
    options: BatchOptions<SshRequest>,
  ): Promise<Result<SshRequest, SshResponse>> {
    this.requests.push(request);
    const aborted = new Promise<KeylaneError>((resolve) => {
      options.signal?.addEventListener('abort', () => resolve(new KeylaneError('ERR_CANCELED')));
    });
    const answer = await Promise.race([aborted, this.#answer(request, (chunk) => options.onChunk?.(index, chunk))]);
    const base = {
      index,
      id: String(index),
      request,
      key: `${request.host}:22`,
      attempts: 1,
      shard: 0,
      reused: false,
      cache: 'none',
      history: [],
    } as const;
    const timing = { queuedMs: 0.12345, openMs: 10, runMs: 5 };
    if (answer instanceof KeylaneError) return { ...base, outcome: answer.outcome, error: answer, timing, history: [] };
    const response = { code: 0, signal: null, stdout: Buffer.of(), stderr: Buffer.of(), truncated: false, ...answer };
    return { ...base, outcome: response.code === 0 ? 'ok' : 'failed', response, timing, history: [] };
  }

  async close(): Promise<void> {
    this.ended = 'closed';
  }

  async destroy(): Promise<void> {
    this.ended = 'destroyed';
  }
}

/** A process without a terminal, unless asked for. */
export class FakeIo extends EventEmitter implements Io {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough({ highWaterMark: 1 << 30 }) as PassThrough & { isTTY?: boolean; columns?: number };
  readonly stderr = new PassThrough({ highWaterMark: 1 << 30 }) as PassThrough & { isTTY?: boolean; columns?: number };
  /** Nobody's own configuration. */
  readonly env: Record<string, string> = { KEYLANE_CONFIG: 'none' };
  readonly exits: number[] = [];

  exit(status: number): void {
    this.exits.push(status);
  }

  get out(): string {
    return read(this.stdout);
  }

  get err(): string {
    return read(this.stderr);
  }
}

/** Runs `keylane exec` with the flags as typed against a fake engine. */
export async function runExec(
  flags: readonly string[],
  {
    words = ['true'],
    io = new FakeIo(),
    engine = new FakeEngine(() => ({})),
    clock = new FakeClock(),
  }: Partial<FakeRun> = {},
): Promise<Ran> {
  let given: EngineOptions = {};
  const createEngine = async (options: EngineOptions) => {
    given = options;
    return engine;
  };
  const { hosts, flags: parsed } = await parse(flags);
  const status = await exec(hosts, words, parsed, io, { createEngine, clock });
  return { status, out: io.out, err: io.err, engine, engineOptions: given, io };
}

export interface FakeRun {
  words: string[];
  io: FakeIo;
  engine: FakeEngine;
  clock: FakeClock;
}

export interface Ran {
  status: number;
  out: string;
  err: string;
  engine: FakeEngine;
  engineOptions: EngineOptions;
  io: FakeIo;
}

async function parse(args: readonly string[]): Promise<{ hosts: string[]; flags: ExecFlags }> {
  let parsed: { hosts: string[]; flags: ExecFlags } | undefined;
  const command = execCommand(async (hosts, flags) => {
    parsed = { hosts, flags };
  });
  await command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .parseAsync([...args], { from: 'user' });
  return parsed!;
}

const texts = new WeakMap<PassThrough, string>();

/** Everything written so far. */
function read(stream: PassThrough): string {
  const text = (texts.get(stream) ?? '') + String(stream.read() ?? '');
  texts.set(stream, text);
  return text;
}
