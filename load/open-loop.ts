import { connect, type Socket } from 'node:net';
import { setInterval as ticks } from 'node:timers/promises';
import { quantile, round } from './measure.js';

export interface Fired {
  sent: number;
  /** Milliseconds from when each was due, which is not when there was time to send it. */
  okMs: number[];
  /** Milliseconds from when it was sent. */
  refusedMs: number[];
  /** Refused, and not told when to come again. */
  withoutRetryAfter: number;
  /** By status or error: what was neither. */
  others: Record<string, number>;
}

interface Asked {
  due: number;
  sent: number;
}

/**
 * A client that does not wait: requests leave at their times, whatever became of those before them, on as many connections
 * as it takes. (autocannon's next request waits for an answer, so a slow service is asked less.)
 */
export class OpenLoop {
  readonly #port: number;
  readonly #host: string;
  readonly #idle: Line[] = [];
  #fired: Fired = nothing();
  #waiting = 0;
  #whenAnswered: (() => void) | undefined = undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** So many connections are opened ahead. */
  async open(count: number): Promise<void> {
    const lines = Array.from({ length: count }, () => this.#line());
    await Promise.all(lines.map((line) => line.connected));
    this.#idle.push(...lines);
  }

  /** `rate` requests a second for `seconds`, those of `texts` in turn. Resolves when all are answered. */
  async fire(texts: readonly string[], rate: number, seconds: number): Promise<Fired> {
    this.#fired = nothing();
    const begun = performance.now();
    const total = Math.round(rate * seconds);
    for await (const _ of ticks(1)) {
      const due = Math.min(total, Math.floor(((performance.now() - begun) * rate) / 1000) + 1);
      while (this.#fired.sent < due) {
        const at = begun + (this.#fired.sent * 1000) / rate;
        this.#send(texts[this.#fired.sent % texts.length]!, at);
      }
      if (due === total) break;
    }
    if (this.#waiting > 0)
      await new Promise<void>((resolve) => {
        this.#whenAnswered = resolve;
      });
    return this.#fired;
  }

  /** One request alone; resolves with its status. */
  ask(text: string): Promise<number | string> {
    return new Promise((resolve) => {
      const line = this.#free((_asked, { status }) => resolve(status));
      line.ask(text, { due: 0, sent: 0 });
    });
  }

  close(): void {
    for (const line of this.#idle) line.end();
  }

  #send(text: string, due: number): void {
    this.#fired.sent++;
    this.#waiting++;
    this.#free(this.#note).ask(text, { due, sent: performance.now() });
  }

  readonly #note: Heard = (asked, { status, retryAfter }) => {
    const { okMs, refusedMs, others } = this.#fired;
    const now = performance.now();
    if (status === 200) okMs.push(now - asked.due);
    else if (status === 503) {
      refusedMs.push(now - asked.sent);
      if (!retryAfter) this.#fired.withoutRetryAfter++;
    } else others[status] = (others[status] ?? 0) + 1;
    this.#waiting--;
    if (this.#waiting === 0) this.#whenAnswered?.();
  };

  #free(heard: Heard): Line {
    let line = this.#idle.pop();
    // The service may have ended it meanwhile.
    while (line?.isOver) line = this.#idle.pop();
    line ??= this.#line();
    line.heard = heard;
    return line;
  }

  #line(): Line {
    const line: Line = new Line(connect(this.#port, this.#host), () => this.#idle.push(line));
    return line;
  }
}

/** A request's text, as HTTP/1.1 has it. */
export function requestText(url: string, token: string, body: unknown): string {
  const { host } = new URL(url);
  const text = JSON.stringify(body);
  return (
    `POST /v1/run HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}

export function latencies(ms: readonly number[]) {
  if (ms.length === 0) return { p50: 0, p95: 0, p99: 0, p999: 0 };
  const of = (q: number) => round(quantile(ms, q));
  return { p50: of(0.5), p95: of(0.95), p99: of(0.99), p999: of(0.999) };
}

type Heard = (asked: Asked, answer: Answer) => void;

interface Answer {
  status: number | string;
  retryAfter: boolean;
}

/** One connection, with one request at a time. It reads answers that say how long they are. */
class Line {
  readonly connected: Promise<unknown>;
  readonly #socket: Socket;
  readonly #kept: () => void;
  heard: Heard = () => {};
  #asked: Asked | undefined = undefined;
  #text = '';

  constructor(socket: Socket, kept: () => void) {
    this.#socket = socket;
    this.#kept = kept;
    this.connected = new Promise((resolve) => socket.once('connect', resolve));
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => this.#read(text));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(error.code ?? 'error'));
    socket.on('close', () => this.#lost('closed'));
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  ask(text: string, asked: Asked): void {
    this.#asked = asked;
    this.#socket.write(text);
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0 || !this.#asked) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < head + 4 + length) return;
    const heads = this.#text.slice(0, head);
    this.#text = this.#text.slice(head + 4 + length);
    const asked = this.#asked;
    this.#asked = undefined;
    if (!/\r\nconnection: close/i.test(heads)) this.#kept();
    this.heard(asked, { status: Number(heads.slice(9, 12)), retryAfter: /\r\nretry-after: /i.test(heads) });
  }

  #lost(why: string): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked) this.heard(asked, { status: why, retryAfter: false });
  }
}

function nothing(): Fired {
  return { sent: 0, okMs: [], refusedMs: [], withoutRetryAfter: 0, others: {} };
}
