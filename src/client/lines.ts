import type { IncomingMessage } from 'node:http';
import type { KeylaneError } from '../errors.js';
import { Pieces } from '../util/pieces.js';
import { broken, refusalOf, sample } from './answer.js';
import type { Exchange } from './exchange.js';
import { isObject } from './problem.js';

/** Hears of an answer of many lines. `ended` is called once, at last; with an error where the answer was not whole. */
export interface LineEvents {
  /** The service has taken the request in: its lines follow. */
  begun?(): void;
  /** `text`: as it came. */
  line(line: Record<string, unknown>, text: string): void;
  ended(error: KeylaneError | undefined): void;
}

const LINE_END = 0x0a;

/** An answer of NDJSON, a line at a time. What is paused stops the service, not our memory. */
export class Lines {
  readonly #exchange: Exchange;
  readonly #answer: IncomingMessage;
  readonly #mostBytes: number;
  readonly #events: LineEvents;
  /** Of a line that is not whole yet. */
  readonly #rest = new Pieces();
  #isOver = false;

  /** Waits for the answer's headers; an answer that is no such one is told as `ended`. */
  static async of(exchange: Exchange, mostBytes: number, events: LineEvents): Promise<Lines | undefined> {
    try {
      const answer = await exchange.answered;
      if (answer.statusCode !== 200) throw await refusalOf(exchange, answer);
      const type = answer.headers['content-type'] ?? 'no content-type';
      if (!/^application\/x-ndjson\b/i.test(type)) throw broken(exchange, `the service answers with \`${type}\``);
      events.begun?.();
      return new Lines(exchange, answer, mostBytes, events);
    } catch (error) {
      exchange.request.destroy();
      events.ended(error as KeylaneError);
      return undefined;
    }
  }

  private constructor(exchange: Exchange, answer: IncomingMessage, mostBytes: number, events: LineEvents) {
    this.#exchange = exchange;
    this.#answer = answer;
    this.#mostBytes = mostBytes;
    this.#events = events;
    answer.on('data', (piece: Buffer) => this.#take(piece));
    answer.once('end', () => {
      if (this.#rest.bytes > 0) this.#line(this.#rest.take());
      this.#end(undefined);
    });
    answer.once('error', (cause: Error) => this.#end(exchange.errorOf(cause)));
    answer.once('close', () => this.#end(exchange.errorOf(undefined)));
  }

  pause(): void {
    this.#answer.pause();
  }

  resume(): void {
    if (this.#answer.isPaused()) this.#answer.resume();
  }

  #take(piece: Buffer): void {
    let from = 0;
    for (let at = piece.indexOf(LINE_END); at >= 0; at = piece.indexOf(LINE_END, from)) {
      const rest = piece.subarray(from, at);
      if (this.#rest.bytes === 0) this.#line(rest);
      else {
        this.#rest.add(rest);
        this.#line(this.#rest.take());
      }
      from = at + 1;
      if (this.#isOver) return;
    }
    if (from === piece.length) return;
    this.#rest.add(from === 0 ? piece : piece.subarray(from));
    if (this.#rest.bytes > this.#mostBytes) this.#break(`a line of the answer is longer than ${this.#mostBytes} bytes`);
  }

  #line(bytes: Buffer): void {
    const text = bytes.toString();
    if (text.trim() === '') return;
    let line: unknown;
    try {
      line = JSON.parse(text);
    } catch {
      line = undefined;
    }
    if (isObject(line)) this.#events.line(line, text);
    else this.#break(`a line of the answer is no JSON object: ${sample(text)}`);
  }

  #break(says: string): void {
    const error = broken(this.#exchange, says);
    this.#exchange.cut(error);
    this.#end(error);
  }

  #end(error: KeylaneError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#rest.clear();
    this.#events.ended(error);
  }
}
