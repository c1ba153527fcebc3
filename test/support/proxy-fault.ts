import type { Random } from './random.js';

/** Seen from the client: `up` to the server, `down` from it. */
export type Direction = 'up' | 'down';

/** `fin` both ends see an orderly end, `rst` a reset, `blackhole` nothing ever again: what is sent is swallowed. */
export type CutBy = 'fin' | 'rst' | 'blackhole';

/** What goes wrong on one connection. Without anything it is a plain relay. Where no direction is named it is both. */
export interface Fault {
  /** Cuts as soon as `after` bytes have passed in that direction; not one more goes through. 0 cuts at once. */
  cut?: { after: number; direction: Direction; by: CutBy };
  /** `mute` takes the connection and never says a word, `rst` resets it on arrival. The server sees neither. */
  accept?: 'mute' | 'rst';
  /** Holds every piece back so long. */
  delayMs?: number;
  /** Holds each piece back up to so much longer. The order stays, as TCP keeps it. */
  jitterMs?: number;
  /** Passes on pieces of 1 to so many bytes, one a turn of the event loop. */
  sliceBytes?: number;
  /** What fits through a second. */
  bytesPerSecond?: number;
  /** After so many bytes of a direction no more are read: nothing is lost, and the sender's buffers fill. */
  limit?: Partial<Record<Direction, number>>;
  /** An end is passed on so much later than the last byte. */
  closeDelayMs?: number;
  /** So long after its arrival the connection is well again. What a cut or a mute accept did to it stays done. */
  healAfterMs?: number;
}

/** A cut at a random place of an exchange that is known to be so many bytes long. */
export function randomCut(random: Random, length: Record<Direction, number>): NonNullable<Fault['cut']> {
  const direction = random.pick<Direction>(['up', 'down']);
  return { direction, after: random.below(length[direction]), by: random.pick<CutBy>(['fin', 'rst', 'blackhole']) };
}
