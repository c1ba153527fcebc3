import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { retryAfterMs } from '../util/retry-after.js';
import { onAbort } from './aborts.js';
import { isSafe } from './settings.js';

/** For the whole exchange: connecting, waiting and reading. (REQUIREMENTS D19) */
const TIMEOUT_MS = 10_000;
/** Tokens of a kilobyte or two are long, and the description of a server is 20 KB at most. */
const MOST_BYTES = 262_144;
const LONGEST_RETRY_AFTER_MS = 600_000;

export interface Init {
  method: string;
  headers: Record<string, string>;
  body?: string | undefined;
}

/** What a server answered, read to its end. */
export interface Answered {
  status: number;
  contentType: string;
  retryAfterMs: number | undefined;
  body: string;
}

/** Where it was asked, without what may be secret in it. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/**
 * One exchange, bounded in time and size, that follows no redirect: a secret goes where it was meant to go or nowhere.
 * Rejects with `ERR_TOKEN`, or with the signal's reason; nothing of the answer is in the error.
 */
export async function exchange(url: URL, init: Init, clock: Clock, signal?: AbortSignal): Promise<Answered> {
  if (!isSafe(url)) throw refused(url, 'is not https, so no secret is sent there', false);
  signal?.throwIfAborted();
  const stop = new AbortController();
  const timer = clock.timer(TIMEOUT_MS, () => stop.abort());
  const forget = signal && onAbort(signal, () => stop.abort());
  try {
    const response = await fetch(url, {
      method: init.method,
      headers: init.headers,
      ...(init.body === undefined ? {} : { body: init.body }),
      redirect: 'manual',
      signal: stop.signal,
    });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      retryAfterMs: waitOf(response.headers),
      body: await read(response, url, stop),
    };
  } catch (cause) {
    if (cause instanceof KeylaneError) throw cause;
    if (signal?.aborted) throw signal.reason;
    if (stop.signal.aborted) throw refused(url, `has not answered within ${TIMEOUT_MS / 1000} s`);
    throw refused(url, `cannot be asked: ${reasonOf(cause)}`);
  } finally {
    timer.cancel();
    forget?.();
  }
}

async function read(response: Response, url: URL, stop: AbortController): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > MOST_BYTES) {
      stop.abort();
      throw refused(url, `answers with more than ${MOST_BYTES / 1024} KB`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function waitOf(headers: Headers): number | undefined {
  const ms = retryAfterMs(headers.get('retry-after') ?? undefined, headers.get('date') ?? undefined) ?? 0;
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : undefined;
}

function refused(url: URL, why: string, retryable = true): KeylaneError {
  return new KeylaneError('ERR_TOKEN', `the token server ${shownUrl(url)} ${why}`, { retryable });
}

/** The system's code: the message of a TLS error may have parts of a certificate. */
function reasonOf(cause: unknown): string {
  for (let at: unknown = cause; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return cause instanceof Error ? cause.name : 'unknown';
}
