import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from '../index.js';
import type { Timer } from '../util/clock.js';
import type { LiveWriter, WritersHost } from './live-writer.js';
import { LineWriter, NDJSON_TYPE } from './ndjson.js';
import { EventWriter, SSE_TYPE } from './sse.js';

const HEARTBEAT_MS = 15_000;
/** They beat in turn, so that thousands do not write in the same moment. */
const TICK_MS = 500;
const PLACES = HEARTBEAT_MS / TICK_MS;

interface LiveOptions {
  /** It has no end of its own (the figures of a service, as they come): it ends when the service stops. @default false */
  endless?: boolean;
}

/** The live answers of a service. One timer beats for all of them. */
export class LiveWriters {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopping: AbortSignal;
  readonly #places: readonly Set<LiveWriter>[] = Array.from({ length: PLACES }, () => new Set());
  /** These beat at each tick. */
  readonly #watched = new Set<LiveWriter>();
  readonly #counts = { open: 0, opened: 0, dropped: 0 };
  readonly #host: WritersHost = {
    dropped: (writer, bytes) => {
      this.#counts.dropped++;
      this.#log.warn({ address: writer.address, bytes }, 'a reader was too slow and was dropped');
    },
    closed: (writer) => this.#left(writer),
  };
  #tick = 0;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, log: Logger, stopping: AbortSignal) {
    this.#clock = clock;
    this.#log = log;
    this.#stopping = stopping;
    stopping.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Open now, opened in all, and of these how many were dropped because they read too slowly. */
  get counts(): Readonly<{ open: number; opened: number; dropped: number }> {
    return { ...this.#counts };
  }

  /** Takes the reply over and answers with server-sent events. The head leaves at once. */
  events(reply: FastifyReply, { endless = false }: LiveOptions = {}): LiveWriter {
    const raw = head(reply, SSE_TYPE);
    return this.#joined(new EventWriter(raw, this.#host, this.#counts.opened % PLACES, endless));
  }

  /** Takes the reply over and answers with lines of JSON. The head leaves at once. */
  lines(reply: FastifyReply, { endless = false }: LiveOptions = {}): LiveWriter {
    const raw = head(reply, NDJSON_TYPE);
    return this.#joined(new LineWriter(raw, this.#host, this.#counts.opened % PLACES, endless));
  }

  /**
   * Beats twice a second while `isWatched`: a client from whom nothing is read, because its body has to wait, is seen to be
   * gone only when something is written to it.
   */
  watch(writer: LiveWriter, isWatched: boolean): void {
    if (isWatched && this.#places[writer.place]?.has(writer)) this.#watched.add(writer);
    else this.#watched.delete(writer);
  }

  #joined(writer: LiveWriter): LiveWriter {
    this.#places[writer.place]?.add(writer);
    this.#counts.open++;
    this.#counts.opened++;
    if (writer.endless && this.#stopping.aborted) writer.end();
    this.#timer ??= this.#clock.timer(TICK_MS, () => this.#beat());
    return writer;
  }

  #left(writer: LiveWriter): void {
    this.#places[writer.place]?.delete(writer);
    this.#watched.delete(writer);
    if (--this.#counts.open > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #beat(): void {
    this.#timer = this.#clock.timer(TICK_MS, () => this.#beat());
    this.#tick = (this.#tick + 1) % PLACES;
    for (const writer of this.#places[this.#tick] ?? []) writer.beat();
    for (const writer of this.#watched) writer.beat();
  }

  #stop(): void {
    for (const place of this.#places) for (const writer of place) if (writer.endless) writer.end();
  }
}

/** What earlier hooks have set is kept. `x-accel-buffering`: nginx would hold events back until a buffer is full. */
function head(reply: FastifyReply, type: string) {
  const headers = {
    ...reply.getHeaders(),
    'content-type': type,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  };
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, headers as Record<string, string>);
  raw.flushHeaders();
  return raw;
}
