import { type Api, inWords, Problem, piecesOf } from './api.js';
import { EventParser, type ServerEvent } from './sse.js';
import { wait } from './time.js';

/**
 *   connecting ──▶ live ──▶ waiting ──▶ connecting …        until the signal is aborted, or `onEvent` says that it is the end
 */
export type FeedState =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'waiting'; seconds: number; why: string };

interface FeedOptions {
  signal: AbortSignal;
  /** True: that was the last one. */
  onEvent(event: ServerEvent): boolean;
  onState(state: FeedState): void;
  /** With no word for so long, not even a comment, the connection counts as dead. */
  silentMs: number;
}

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;

/** Reads an event stream for as long as it is wanted: whenever it breaks off it goes on after the last event seen. */
export async function follow(api: Api, path: string, options: FeedOptions): Promise<void> {
  const { signal, onState } = options;
  const seen = { id: '', seconds: FIRST_WAIT_S };
  while (!signal.aborted) {
    onState({ state: 'connecting' });
    let why = 'the connection was closed';
    try {
      if (await readOnce(api, path, options, seen)) return;
    } catch (error) {
      if (signal.aborted) return;
      why = inWords(error);
      // It will be no other the next time.
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    for (let left = seen.seconds; left > 0 && !signal.aborted; left--) {
      onState({ state: 'waiting', seconds: left, why });
      await wait(1_000, signal);
    }
    seen.seconds = Math.min(2 * seen.seconds, LONGEST_WAIT_S);
  }
}

/** True where that was the end. */
async function readOnce(
  api: Api,
  path: string,
  { signal, onEvent, onState, silentMs }: FeedOptions,
  seen: { id: string; seconds: number },
): Promise<boolean> {
  const connection = new AbortController();
  const cut = () => connection.abort();
  signal.addEventListener('abort', cut);
  let heard = true;
  // A peer that is gone without a word leaves a connection that never ends.
  const watch = (async () => {
    while (!connection.signal.aborted) {
      await wait(silentMs, connection.signal);
      if (!heard) connection.abort();
      heard = false;
    }
  })();
  try {
    const headers = seen.id === '' ? {} : { 'last-event-id': seen.id };
    const response = await api.open(path, { accept: 'text/event-stream', headers, signal: connection.signal });
    onState({ state: 'live' });
    const parser = new EventParser();
    for await (const piece of piecesOf(response)) {
      heard = true;
      for (const event of parser.push(piece)) {
        seen.seconds = FIRST_WAIT_S;
        if (event.id !== '') seen.id = event.id;
        if (onEvent(event)) return true;
      }
    }
    return false;
  } catch (error) {
    if (connection.signal.aborted && !signal.aborted) throw new Error('no word for too long');
    throw error;
  } finally {
    signal.removeEventListener('abort', cut);
    connection.abort();
    await watch;
  }
}
