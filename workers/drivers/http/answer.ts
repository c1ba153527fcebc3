import { KeylaneError } from '../../../src/errors.js';
import type { HttpResponse } from '../../../src/http-types.js';
import type { HttpOrder } from '../../../src/specs/http.js';
import { type ExecuteContext, NOT_MODIFIED } from '../../../src/types.js';
import { type Deferred, deferred } from '../../../src/util/deferred.js';
import { Kept } from '../../../src/util/kept.js';
import { retryAfterMs } from '../../../src/util/retry-after.js';
import { codingsOf, type Decoded, Decoder } from './decoder.js';
import { EventReader } from './events.js';
import { broken, tooLate } from './execute-errors.js';
import { written } from './fields.js';
import type { Route } from './origin-connection.js';
import { refused } from './tunnel.js';

/** What an answer needs of what carries it. */
export interface Carrier {
  /** The body may come on. */
  resume(): void;
  /** Ends the exchange at once: nothing more of it is wanted. */
  cut(): void;
  /** It is over, in whatever way; called once, before the promise is settled. */
  over(): void;
}

/** Of a body that is too long, what is read all the same. */
const MOST_LEFT = 64 << 10;

/** What becomes of a body: kept for the response, handed out as it comes, read as events, or not looked at. */
type Fate = 'kept' | 'handed' | 'events' | 'dropped';

/**
 * One answer, as it comes from either version of HTTP.
 *
 *     waiting ── head ──▶ body ── end ──▶ decoding ──▶ over
 *        └─────── failed, aborted, more than is wanted ──▶ │
 */
export class Answer implements Decoded {
  state: 'waiting' | 'body' | 'decoding' | 'over' = 'waiting';
  /** Of its body, as they came. */
  bytes = 0;
  readonly #order: HttpOrder;
  readonly #route: Route;
  readonly #context: ExecuteContext;
  readonly #carrier: Carrier;
  readonly #done: Deferred<HttpResponse | typeof NOT_MODIFIED> = deferred();
  #status = 0;
  #headers: HttpResponse['headers'] = {};
  #fate: Fate = 'kept';
  #kept: Kept | undefined = undefined;
  #events: EventReader | undefined = undefined;
  #decoder: Decoder | undefined = undefined;

  constructor(order: HttpOrder, route: Route, context: ExecuteContext, carrier: Carrier) {
    this.#order = order;
    this.#route = route;
    this.#context = context;
    this.#carrier = carrier;
  }

  get promise(): Promise<HttpResponse | typeof NOT_MODIFIED> {
    return this.#done.promise;
  }

  /** The head is here, and it is a final one. `asked`: the version that the cache has was told of. */
  head(status: number, headers: HttpResponse['headers'], asked: boolean): void {
    if (this.state !== 'waiting') return;
    this.state = 'body';
    this.#status = status;
    this.#headers = headers;
    const { forward, origin } = this.#route;
    if (status === 407 && forward) {
      this.fail(refused(forward.proxy, origin));
      this.#carrier.cut();
      return;
    }
    if (status === 429 || status === 503) {
      const ms = retryAfterMs([headers['retry-after']].flat()[0], [headers.date].flat()[0]);
      if (ms) this.#context.pause(ms);
    }
    if (
      this.#order.redirects &&
      keepsMethod(status, this.#order.method, headers) &&
      written(this.#order, this.#context)
    ) {
      const says = `it leads on (${status}), and what was written to the stream cannot be sent again: ask for the other URL`;
      this.fail(broken(origin, says));
      this.#carrier.cut();
      return;
    }
    this.#fate = this.#fateOf(status, asked);
    if (this.#fate === 'events') this.#events = new EventReader();
    const codings = this.#fate === 'dropped' ? undefined : codingsOf(headers['content-encoding']);
    if (codings) this.#decoder = new Decoder(codings, this);
  }

  /** False: no more until the carrier is told to resume. */
  data(bytes: Buffer): boolean {
    // undici says "no bytes" where it was resumed and none are there; paused for that again, it would not end.
    if (this.state !== 'body' || bytes.length === 0) return true;
    this.bytes += bytes.length;
    return this.#decoder ? this.#decoder.write(bytes) : this.piece(bytes);
  }

  end(): void {
    if (this.state !== 'body') return;
    if (!this.#decoder) {
      this.done();
      return;
    }
    this.state = 'decoding';
    this.#decoder.end();
  }

  fail(error: unknown): void {
    if (this.state === 'over') return;
    this.#over();
    this.#done.reject(error);
  }

  /** The caller or the deadline ends it. */
  abort(reason: Error): void {
    if (this.state === 'over') return;
    // All that was wanted of it is here.
    if (this.#kept?.truncated) this.done();
    this.fail(
      tooLate(reason, this.#route.origin, this.#order.method, this.state === 'waiting' ? undefined : this.bytes),
    );
    this.#carrier.cut();
  }

  // What follows is the decoder's side, and that of bodies that need none.

  piece(bytes: Buffer): boolean {
    if (this.state === 'over') return true;
    switch (this.#fate) {
      case 'dropped':
        return true;
      case 'kept':
        return this.#keep(bytes);
      case 'handed':
        return this.#hand(bytes);
      case 'events':
        return this.#read(bytes);
    }
  }

  room(): void {
    if (this.state === 'body') this.#carrier.resume();
  }

  done(): void {
    if (this.state === 'over') return;
    // What was coded has ended, and more comes: it is nothing that is wanted, and it may have no end.
    const isMore = this.#decoder !== undefined && this.state === 'body';
    this.#over();
    this.#done.resolve(this.#fate === 'dropped' ? NOT_MODIFIED : this.#response());
    if (isMore) this.#carrier.cut();
  }

  failed(error: Error): void {
    const { origin } = this.#route;
    this.fail(broken(origin, `its body is not what content-encoding says: ${error.message}`, error));
    this.#carrier.cut();
  }

  #fateOf(status: number, asked: boolean): Fate {
    if (status === 304 && asked) return 'dropped';
    if (!this.#context.live) return 'kept';
    const { redirects, redirected, events } = this.#order;
    // With none left of several, the answer is an error: it leads on for ever.
    if ((redirects || redirected) && leadsOn(status, this.#headers)) return 'kept';
    if (!events) return 'handed';
    // What is no stream of events (an error in JSON) is not lost: it is the response's body.
    const type = String(this.#headers['content-type'] ?? '');
    return status === 200 && /^text\/event-stream\b/i.test(type) ? 'events' : 'kept';
  }

  #keep(bytes: Buffer): boolean {
    this.#kept ??= new Kept(this.#order.maxBodyBytes);
    this.#kept.add(bytes);
    // The rest is not waited for: it may have no end. Where it is short, a new connection would cost more.
    if (this.#kept.truncated && !this.#isNearItsEnd()) {
      this.done();
      this.#carrier.cut();
    }
    return true;
  }

  #isNearItsEnd(): boolean {
    const left = Number(this.#headers['content-length'] ?? Number.NaN) - this.bytes;
    return !this.#decoder && left <= MOST_LEFT;
  }

  #hand(bytes: Buffer): boolean {
    return this.#waitFor(this.#context.chunk('message', bytes));
  }

  #read(bytes: Buffer): boolean {
    let behind: Promise<void> | undefined;
    try {
      for (const event of (this.#events as EventReader).read(bytes))
        behind = this.#context.chunk('message', Buffer.from(JSON.stringify(event))) ?? behind;
    } catch (error) {
      this.fail(broken(this.#route.origin, (error as Error).message, error));
      this.#carrier.cut();
    }
    return this.#waitFor(behind);
  }

  #waitFor(behind: Promise<void> | undefined): boolean {
    if (!behind) return true;
    behind.then(this.#goOn, (error) => this.fail(error));
    return false;
  }

  readonly #goOn = (): void => {
    if (this.state === 'over') return;
    if (this.#decoder) this.#decoder.resume();
    else this.#carrier.resume();
  };

  #over(): void {
    this.state = 'over';
    this.#decoder?.destroy();
    this.#context.onAbort(undefined);
    this.#carrier.over();
  }

  #response(): HttpResponse {
    const { path, binary = false, redirected } = this.#order;
    const empty = binary ? Buffer.alloc(0) : '';
    return {
      status: this.#status,
      headers: this.#headers,
      body: this.#kept?.read(binary ? 'buffer' : 'utf8') ?? (this.#fate === 'kept' ? empty : ''),
      truncated: this.#kept?.truncated ?? false,
      url: this.#route.origin + path,
      ...(redirected && { redirected: [...redirected] }),
    };
  }
}

/** Is the same to be asked elsewhere, with its body? (RFC 9110 § 15.4) */
function keepsMethod(status: number, method: string, headers: HttpResponse['headers']): boolean {
  if (!leadsOn(status, headers) || status === 303) return false;
  return status > 303 || method !== 'POST';
}

/** (RFC 9110 § 15.4) */
function leadsOn(status: number, { location }: HttpResponse['headers']): boolean {
  return location !== undefined && (status === 307 || status === 308 || (status >= 301 && status <= 303));
}

/** An exchange that could not begin: what was wrong with it was known here. */
export function notTaken(origin: string, says: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_INPUT', `${origin}: http.headers, http.method or http.url: ${says}`, {
    key: origin,
    outcome: 'not_started',
    cause,
  });
}
