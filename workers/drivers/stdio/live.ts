import { KeylaneError } from '../../../src/errors.js';
import type { ExecuteContext } from '../../../src/types.js';
import { Lines } from './framing.js';
import { errorText, INTERNAL_ERROR, idOf, isMessage, type Message, type PeerId, parsed } from './messages.js';

/** What a stream needs of the process that it is on. */
export interface LiveHost {
  /** Bytes of one message. */
  readonly most: number;
  /** Nothing that one caller says may reach the work of another. */
  readonly isShared: boolean;
  /** A message of the caller's. */
  say(text: string): void;
  /** Resolves when the server is not behind with reading. */
  room(): Promise<void>;
  /** The stream's reader is behind until it resolves: the server is to be let wait. */
  behind(until: Promise<void>): void;
}

/** Those that name requests by ids, which are not the caller's to know. */
const BY_ID: ReadonlySet<unknown> = new Set(['notifications/cancelled', '$/cancelRequest']);

/** Requests of a server that may wait for their answer in one stream. */
const MOST_ASKED = 1_000;

/** The caller of a stream: what the server says to it, and what it answers. */
export class Live {
  readonly #context: ExecuteContext;
  readonly #host: LiveHost;
  readonly #wrong: (error: KeylaneError) => void;
  /** Requests of the server that it has been given and has not answered. */
  readonly #asked = new Map<PeerId, unknown>();
  #canAnswer: boolean;
  #ended = false;
  #isBehind = false;
  /** What it is to hear when it is not behind any more; of a few kinds, and each once. */
  readonly #missed = new Set<string>();

  /** `wrong`: the caller has written what cannot be passed on. */
  constructor(context: ExecuteContext, host: LiveHost, wrong: (error: KeylaneError) => void) {
    this.#context = context;
    this.#host = host;
    this.#wrong = wrong;
    this.#canAnswer = context.input !== undefined;
    if (context.input) void this.#read(context.input);
  }

  get canAnswer(): boolean {
    return this.#canAnswer && !this.#ended && this.#asked.size < MOST_ASKED;
  }

  /**
   * One JSON text, which ends with a newline: a long one comes in several chunks. Where the reader is behind, the process is
   * to wait, unless others share it: they would wait with it, for as long as somebody does not read.
   */
  hear(text: string): void {
    const until = this.#context.chunk('message', Buffer.from(`${text}\n`));
    if (!until) return;
    this.#isBehind = true;
    void until.then(() => {
      this.#isBehind = false;
      const missed = [...this.#missed];
      this.#missed.clear();
      for (const one of missed) this.hearOf(one, true);
    });
    if (!this.#host.isShared) this.#host.behind(until);
  }

  /** Of a shared process. Left out where the reader is behind: what the next one of its kind makes good, the others come late. */
  hearOf(text: string, isToCome: boolean): void {
    if (!this.#isBehind) this.hear(text);
    else if (isToCome) this.#missed.add(text);
  }

  /** A request of the server's, which it is to answer. */
  ask(id: PeerId, request: Message, text: string): void {
    this.#asked.set(id, request.id);
    this.hear(text);
  }

  /** True: the server has called off what it had asked here. */
  unask(id: PeerId): boolean {
    return this.#asked.delete(id);
  }

  end(): void {
    this.#ended = true;
    for (const id of this.#asked.values()) this.#host.say(errorText(id, INTERNAL_ERROR, 'the caller has left'));
    this.#asked.clear();
  }

  async #read(input: AsyncIterable<Uint8Array>): Promise<void> {
    const lines = new Lines(this.#host.most, {
      message: (line) => this.#written(line),
      noise: () => undefined,
      fault: (why) => this.#refuse(why),
    });
    for await (const piece of input) {
      if (this.#ended) return;
      lines.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
      await this.#host.room();
    }
    if (this.#ended) return;
    lines.end();
    this.#canAnswer = false;
    for (const id of this.#asked.values()) this.#host.say(errorText(id, INTERNAL_ERROR, 'the caller answers no more'));
    this.#asked.clear();
  }

  #written(line: string): void {
    if (this.#ended || line.trim() === '') return;
    const message = parsed(line);
    if (!isMessage(message)) this.#refuse('a line that is no JSON-RPC message');
    else if (message.method === undefined) this.#answer(message);
    else if (message.id !== undefined) this.#refuse('a request: those are calls of their own');
    else if (this.#host.isShared) this.#refuse('a notification to a server that others share');
    else if (BY_ID.has(message.method)) this.#refuse('a notification that names a request by its id: abort the call');
    else this.#say(message);
  }

  /** One that was not asked for, or is too late, is nobody's. */
  #answer({ id, result, error }: Message): void {
    const asked = idOf(id);
    if (asked === undefined || !this.#asked.delete(asked)) return;
    this.#say({ jsonrpc: '2.0', id, ...(error === undefined ? { result: result ?? null } : { error }) });
  }

  #say(message: object): void {
    let text: string;
    try {
      text = JSON.stringify(message);
    } catch {
      this.#refuse('lists or objects within each other, deeper than can be passed on');
      return;
    }
    this.#host.say(text);
  }

  #refuse(why: string): void {
    this.#wrong(new KeylaneError('ERR_INPUT', `what was written to the stream holds ${why}`));
  }
}
