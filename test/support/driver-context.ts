import type { Channel, ExecuteContext, OpenContext, Questions } from '../../src/types.js';
import { systemClock } from '../../src/util/clock.js';

type Answers = {
  [Q in keyof Questions]?: (about: Questions[Q]['about']) => Questions[Q]['answer'] | Promise<Questions[Q]['answer']>;
};

/** What a driver's `open` gets, without an engine. */
export class FakeOpen implements OpenContext {
  readonly controller = new AbortController();
  readonly deadline: number;
  /** What was reported as lost. */
  readonly losses: Error[] = [];
  /** Everything that was asked. */
  readonly asked: { question: keyof Questions; about: unknown }[] = [];
  readonly #answers: Answers;
  #onLost: ((error: Error) => void) | undefined = undefined;

  constructor(answers: Answers = {}, timeoutMs = 10_000) {
    this.#answers = answers;
    this.deadline = systemClock.now() + timeoutMs;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Resolves with the first loss. */
  get nextLoss(): Promise<Error> {
    const [first] = this.losses;
    if (first) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#onLost = resolve;
    });
  }

  readonly lost = (error: Error): void => {
    this.losses.push(error);
    this.#onLost?.(error);
  };

  lease(): Promise<never> {
    return Promise.reject(new Error('no lease here'));
  }

  readonly ask = async <Q extends keyof Questions>(
    question: Q,
    about: Questions[Q]['about'],
  ): Promise<Questions[Q]['answer']> => {
    this.asked.push({ question, about });
    const answer = this.#answers[question];
    if (!answer) throw new Error(`nobody expected to be asked for ${question}`);
    return answer(about);
  };
}

/** What a driver's `execute` gets, without an engine. */
export class FakeExecute implements ExecuteContext {
  readonly controller = new AbortController();
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly live: boolean;
  readonly input: AsyncIterable<Uint8Array> | undefined;
  /** How often `sent` was called. */
  sents = 0;
  /** By their references. */
  secrets: Record<string, string> = {};
  readonly chunks: { channel: Channel; data: Buffer }[] = [];
  readonly #onChunk: ((channel: Channel, data: Uint8Array) => Promise<void> | undefined) | undefined;
  readonly #onSent: (() => void) | undefined;

  constructor(
    options: {
      input?: AsyncIterable<Uint8Array>;
      onChunk?: (channel: Channel, data: Uint8Array) => Promise<void> | undefined;
      onSent?: () => void;
    } = {},
  ) {
    this.input = options.input;
    this.live = options.onChunk !== undefined;
    this.#onChunk = options.onChunk;
    this.#onSent = options.onSent;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get aborted(): Error | undefined {
    return this.signal.reason as Error | undefined;
  }

  onAbort(call: ((reason: Error) => void) | undefined): void {
    this.signal.onabort = call ? () => call(this.signal.reason as Error) : null;
  }

  sent(): void {
    this.sents++;
    this.#onSent?.();
  }

  /** What `pause` was called with. */
  readonly pauses: number[] = [];

  pause(ms: number): void {
    this.pauses.push(ms);
  }

  ask(question: keyof Questions, about: unknown): Promise<never> {
    const secret = question === 'secret' ? this.secrets[about as string] : undefined;
    if (secret === undefined) throw new Error(`nobody expected to be asked for ${question}`);
    return Promise.resolve(secret as never);
  }

  chunk(channel: Channel, data: Uint8Array): Promise<void> | undefined {
    this.chunks.push({ channel, data: Buffer.from(data) });
    return this.#onChunk?.(channel, data);
  }
}
