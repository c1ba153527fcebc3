import { KeylaneError } from '../errors.js';
import type { Chunk, Result, StreamOptions } from '../index.js';
import { Bell } from '../util/bell.js';
import { deferred } from '../util/deferred.js';
import type { ClientStream } from './client.js';
import { base64, requestJson } from './json.js';
import { Lines } from './lines.js';
import { MARGIN_MS, type Opened, type ServiceLink } from './link.js';
import { type About, bytesOf, refusedResult, resultOf } from './settled.js';

/** What may be written ahead of the peer, as in the library. */
const MOST_PENDING_BYTES = 16 * 1024 * 1024;
/** Unread bytes after which the service is stopped. */
const WINDOW_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
const NDJSON = 'application/x-ndjson';

/** A stream of an engine that is behind a service: the request and the input go as lines, chunks come as lines. */
export class ServiceStream<Response> implements ClientStream<Response> {
  /** What the peer answered in the end. Rejects with KeylaneError, as `run` does. */
  readonly response: Promise<Response>;
  /** Resolves when the service has taken it in. Rejects where it is refused, or ends before. */
  readonly accepted: Promise<void>;
  readonly #answer = deferred<Response>();
  readonly #accepted = deferred<void>();
  readonly #link: ServiceLink;
  readonly #about: About;
  readonly #chunks: Chunk[] = [];
  readonly #readable = new Bell();
  readonly #writable = new Bell();
  readonly #toWrite: { line: string; bytes: number }[] = [];
  #pendingBytes = 0;
  #unreadBytes = 0;
  #isBlocked = false;
  #opened: Opened | undefined = undefined;
  #lines: Lines | undefined = undefined;
  #ending: 'no' | 'asked' | 'sent' = 'no';
  #settled: Result | undefined = undefined;

  constructor(link: ServiceLink, driver: string, request: unknown, options: StreamOptions) {
    this.#link = link;
    this.#about = { index: 0, id: '0', driver, request };
    this.response = this.#answer.promise;
    // Whoever only iterates hears of the error there.
    this.response.catch(() => {});
    this.accepted = this.#accepted.promise;
    this.accepted.catch(() => {});
    void this.#start(options);
  }

  /** What became of it, as `result` tells it. Never rejects. */
  get result(): Promise<Result<unknown, Response>> {
    const told = () => this.#settled as Result<unknown, Response>;
    return this.response.then(told, told);
  }

  write(data: string | Uint8Array): Promise<void> {
    if (this.#ending !== 'no') throw new KeylaneError('ERR_INPUT', 'write after end');
    if (this.#settled) return Promise.resolve();
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > MOST_PENDING_BYTES)
      throw new KeylaneError('ERR_SATURATED', `${this.#pendingBytes} bytes wait to be written already: await write()`);
    // A long text is cut as bytes: between two of its characters' halves it must not be.
    if (typeof data === 'string' && bytes <= PIECE_BYTES) this.#push(`{"data":${JSON.stringify(data)}}\n`, bytes);
    else this.#pushBytes(typeof data === 'string' ? Buffer.from(data) : data);
    this.#pump();
    if (this.#toWrite.length === 0 && !this.#isBlocked) return Promise.resolve();
    return this.#writable.wait();
  }

  end(data?: string | Uint8Array): void {
    if (data !== undefined) void this.write(data);
    if (this.#ending === 'no') this.#ending = 'asked';
    this.#pump();
  }

  /** Calls the request off: the service hears it by the end of the connection. */
  cancel(): void {
    this.#end(new KeylaneError('ERR_CANCELED'));
  }

  async next(): Promise<IteratorResult<Chunk, undefined>> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#unreadBytes -= chunk.data.length;
        if (this.#unreadBytes < WINDOW_BYTES) this.#lines?.resume();
        return { done: false, value: chunk };
      }
      if (this.#settled?.error) throw this.#settled.error;
      if (this.#settled) return { done: true, value: undefined };
      await this.#readable.wait();
    }
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    this.#chunks.length = 0;
    this.cancel();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #start({ signal, timeoutMs = 0, priority, labels, traceparent }: StreamOptions): Promise<void> {
    try {
      const { driver, request } = this.#about;
      const options = JSON.stringify({ driver, timeoutMs, priority, labels });
      const first = `${options.slice(0, -1)},"request":${requestJson(driver, request)}}\n`;
      const opened = await this.#link.open({
        method: 'POST',
        path: '/v1/stream',
        headers: {
          accept: `${NDJSON}, application/problem+json`,
          'content-type': NDJSON,
          ...(traceparent !== undefined && { traceparent }),
        },
        timeoutMs: timeoutMs === 0 ? 0 : timeoutMs + MARGIN_MS,
        signal,
        runs: true,
        isIdempotent: false,
      });
      this.#opened = opened;
      const { exchange } = opened;
      if (this.#settled) {
        this.#letGo();
        return;
      }
      exchange.request.on('drain', () => {
        this.#isBlocked = false;
        this.#pump();
      });
      exchange.request.write(first, () => exchange.isUnderWay());
      this.#pump();
      this.#lines = await Lines.of(exchange, this.#link.options.maxAnswerBytes, {
        line: (line) => this.#line(line),
        begun: () => this.#accepted.resolve(),
        ended: (error) => this.#end(error ?? this.#cutShort()),
      });
    } catch (error) {
      this.#end(error as KeylaneError);
    }
  }

  #line(line: Record<string, unknown>): void {
    if (this.#settled) return;
    const { channel } = line;
    if (channel === 'stdout' || channel === 'stderr' || channel === 'message') {
      const data = bytesOf('base64' in line ? line : line.data);
      if (!data) return;
      this.#chunks.push({ channel, data });
      this.#unreadBytes += data.length;
      if (this.#unreadBytes >= WINDOW_BYTES) this.#lines?.pause();
      this.#readable.ring();
      return;
    }
    const result = resultOf(line, this.#about);
    // A newer service may say more than this client knows.
    if (result) this.#end(result);
  }

  #cutShort(): KeylaneError {
    const error = new KeylaneError('ERR_CONNECTION_LOST', `${this.#link.origin} ended the stream without its result`);
    return this.#opened?.exchange.inTheLight(error) ?? error;
  }

  #pushBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      this.#push(`{"base64":"${base64(piece)}"}\n`, piece.length);
    }
  }

  #push(line: string, bytes: number): void {
    this.#toWrite.push({ line, bytes });
    this.#pendingBytes += bytes;
  }

  #pump(): void {
    const request = this.#opened?.exchange.request;
    if (!request || this.#settled || this.#isBlocked) return;
    for (let piece = this.#toWrite.shift(); piece; piece = this.#toWrite.shift()) {
      this.#pendingBytes -= piece.bytes;
      if (request.write(piece.line)) continue;
      this.#isBlocked = true;
      return;
    }
    if (this.#ending === 'asked') {
      this.#ending = 'sent';
      request.end();
    }
    this.#writable.ring();
  }

  #end(how: Result | KeylaneError): void {
    if (this.#settled) return;
    const result = how instanceof KeylaneError ? refusedResult(how, this.#about) : how;
    const { response, error } = result;
    this.#settled = result;
    this.#toWrite.length = 0;
    this.#letGo();
    this.#readable.ring();
    this.#writable.ring();
    this.#link.noted(error);
    // Nothing comes of these, where it was taken in already.
    if (error) this.#accepted.reject(error);
    else this.#accepted.resolve();
    if (error) this.#answer.reject(error);
    else this.#answer.resolve(response as Response);
  }

  /** What is not over yet ends here: the input may be open still, and a stream that was called off ends no other way. */
  #letGo(): void {
    this.#opened?.exchange.request.destroy();
    this.#opened?.close();
  }
}
