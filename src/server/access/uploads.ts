import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../index.js';
import { CHECK_MS } from './limits.js';

/** The request whose body comes in on a connection: there is one at a time, whatever is pipelined. */
interface Upload {
  raw: IncomingMessage;
  response: ServerResponse;
  /** Of any length. */
  streamed: boolean;
  /** Since when: the head was there, or, of one of any length, the last byte. */
  since: number;
  bytes: number;
}

const UPLOAD = Symbol('upload');
type WithUpload = Socket & { [UPLOAD]?: Upload };

/**
 * Ends bodies that take too long. Node's own deadline (`requestTimeout`) is of the whole request, and would end every long
 * upload; and a timer for each request costs more than the request. So each connection notes its latest one, and all that
 * are not whole are looked at once a second, while there are any.
 */
export class Uploads {
  readonly #clock: Clock;
  readonly #mostMs: number;
  readonly #open = new Set<Upload>();
  #timer: { cancel(): void } | undefined = undefined;

  constructor(mostMs: number, clock: Clock) {
    this.#mostMs = mostMs;
    this.#clock = clock;
  }

  /** Nothing is allocated but for a connection's first one. */
  begin(raw: IncomingMessage, response: ServerResponse, streamed: boolean): void {
    const socket: WithUpload = raw.socket;
    const since = this.#clock.now();
    const { bytesRead: bytes } = socket;
    let upload = socket[UPLOAD];
    if (upload) {
      upload.raw = raw;
      upload.response = response;
      upload.streamed = streamed;
      upload.since = since;
      upload.bytes = bytes;
    } else {
      upload = { raw, response, streamed, since, bytes };
      socket[UPLOAD] = upload;
    }
    this.#open.add(upload);
    this.#timer ??= this.#clock.timer(Math.min(CHECK_MS, this.#mostMs), this.#look);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#open.clear();
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    for (const upload of this.#open) {
      const { raw } = upload;
      if (raw.complete || raw.destroyed) this.#open.delete(upload);
      else if (this.#isLate(upload, now)) {
        this.#open.delete(upload);
        end(upload);
      }
    }
    this.#timer = this.#open.size > 0 ? this.#clock.timer(Math.min(CHECK_MS, this.#mostMs), this.#look) : undefined;
  };

  #isLate(upload: Upload, now: number): boolean {
    const { raw, response, streamed } = upload;
    if (streamed) {
      const { bytesRead } = raw.socket;
      // A client that reads our answer may be silent: the other side of a terminal is. What lies here unread waits for us.
      if (bytesRead !== upload.bytes || raw.readableLength > 0 || response.headersSent) {
        upload.since = now;
        upload.bytes = bytesRead;
      }
    }
    return now - upload.since >= this.#mostMs;
  }
}

/** No handler has seen it whole, so the answer is ours; one that has begun is cut. */
function end({ raw, response }: Upload): void {
  const { socket } = raw;
  if (!response.headersSent && socket.writable)
    socket.write(rawProblem(408, 'Request Timeout', 'the body did not come in time'));
  socket.destroySoon();
}

/** An answer where there is no request to answer: what came is no HTTP, or it did not come. */
export function rawProblem(status: number, reason: string, detail: string): string {
  const body = JSON.stringify({
    type: 'urn:keylane:error:ERR_INPUT',
    title: 'ERR_INPUT',
    status,
    detail,
    code: 'ERR_INPUT',
    outcome: 'not_started',
    retryable: false,
  });
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
