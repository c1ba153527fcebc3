import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { type Clock, KeylaneError } from '../../index.js';
import { grouped } from '../../util/grouped.js';
import { Refusal } from '../refusal.js';

/** The body as it comes, up to so many bytes; ends when the service does. */
export async function* bounded(body: Readable, mostBytes: number, stopping: AbortSignal): AsyncGenerator<Buffer> {
  const stop = () =>
    body.destroy(new KeylaneError('ERR_CLOSED', 'the service is closing; send it again to the next one'));
  if (stopping.aborted) stop();
  stopping.addEventListener('abort', stop);
  let bytes = 0;
  try {
    // The stream stays: with it the socket would go, and nobody would hear why.
    for await (const piece of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > mostBytes) {
        const text = `the body may have ${grouped(mostBytes)} bytes; send it in several batches`;
        throw new Refusal(413, 'ERR_INPUT', text);
      }
      yield piece;
    }
  } finally {
    stopping.removeEventListener('abort', stop);
  }
}

/** Its SHA-256, in hex. Nothing of it is kept. */
export async function digestOf(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

/** Milliseconds that a client has to send the rest of a body that was refused, so that it comes to read the answer. */
const REST_MS = 5_000;

/** Reads the rest and keeps nothing of it; who sends on and on is cut. */
export function discard(body: Readable, clock: Clock): void {
  if (body.readableEnded || body.destroyed) return;
  const late = clock.timer(REST_MS, () => body.destroy());
  body.once('close', () => late.cancel());
  body.once('error', () => {});
  body.resume();
}
