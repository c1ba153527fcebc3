import type { StdioResponse } from '../../../src/stdio-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Live } from './live.js';
import type { Outgoing } from './outbox.js';

/** A request of ours, from its text to its answer. It is what the outbox sends, too: an object a request less. */
export class Call implements Outgoing {
  readonly id: number;
  readonly text: string;
  /** Undefined: of the connection itself. */
  readonly context: ExecuteContext | undefined;
  /** The caller's own; undefined where it asked for no progress. */
  readonly token: string | number | undefined;
  readonly answer: Promise<StdioResponse>;
  readonly resolve: (response: StdioResponse) => void;
  readonly reject: (error: Error) => void;
  live: Live | undefined = undefined;
  hasLeft = false;
  isDropped = false;
  /** Of a notification, which gets no answer. */
  written: (() => void) | undefined = undefined;

  constructor(id: number, text: string, context?: ExecuteContext, token?: string | number) {
    this.id = id;
    this.text = text;
    this.context = context;
    this.token = token;
    const { promise, resolve, reject } = deferred<StdioResponse>();
    this.answer = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  leaving(): void {
    this.hasLeft = true;
    this.context?.sent();
  }
}
