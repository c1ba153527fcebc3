import type { Readable, Writable } from 'node:stream';

/** An output of this process. */
export type OutputStream = Writable & { isTTY?: boolean; columns?: number };

/** What a command needs of its process; `process` is one. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(status: number): void;
  /** Where another process restarts this one after a death: the arguments by which it goes on. See restart.ts. */
  goOn?(args: readonly string[]): void;
}

/** The words on the command line do not make a command. Exit status 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
