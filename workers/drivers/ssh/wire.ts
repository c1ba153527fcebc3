import type { Duplex } from 'node:stream';

/** What an SSH connection runs over: a socket, or a channel through another connection. */
export interface Wire extends Duplex {
  /** Bytes that have come so far, and that have left. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}
