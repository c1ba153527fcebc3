import { KeylaneError } from '../../../src/errors.js';
import type { StdioOrder } from '../../../src/specs/stdio.js';
import type { StdioResponse } from '../../../src/stdio-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import { Call } from './call.js';
import { Calls } from './calls.js';
import { Live, type LiveHost } from './live.js';
import {
  errorText,
  idOf,
  isMessage,
  METHOD_NOT_FOUND,
  type Message,
  parsed,
  requestText,
  responseOf,
  resultText,
  withToken,
} from './messages.js';
import type { Outbox } from './outbox.js';

export interface ConversationOptions {
  readonly outbox: Outbox;
  /** How a request is called off. */
  readonly dialect: 'mcp' | 'lsp';
  readonly host: LiveHost;
  /** The server has said what is no message. */
  noise(text: string): void;
  /** The server has answered a request of a caller. */
  served(): void;
}

/** Of MCP, and without anything of anybody's: what a server has to offer has changed. */
const CHANGED: ReadonlySet<string> = new Set(
  ['tools', 'prompts', 'resources'].map((what) => `notifications/${what}/list_changed`),
);

/**
 * JSON-RPC 2.0 with one process: many requests at once, each by an id of ours. What the server says of its own accord goes to
 * the streams that are open on it:
 *
 * progress        to the request whose token it has, with the caller's own token
 * notifications   to all, where the process serves one session; where it is shared, only that there is something new
 * requests        to the oldest that can answer, where the process serves one session; else the answer is "no such method"
 */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #calls = new Calls<Call>();
  /** Oldest first. */
  readonly #streams = new Set<Live>();

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** A caller's request. Rejects where it is called off, or the process is lost. */
  ask(order: StdioOrder, context: ExecuteContext): Promise<StdioResponse> {
    if (order.notify) return this.#notify(order, context);
    const id = this.#calls.newId();
    const { progressToken: token, params } = order;
    const isTold = token !== undefined && params !== undefined;
    const text = requestText(id, order.method, isTold ? withToken(params, id) : params);
    return this.#begun(new Call(id, text, context, token));
  }

  /** A request of the connection's own. */
  own(method: string, params?: object): Promise<StdioResponse> {
    const id = this.#calls.newId();
    return this.#begun(new Call(id, requestText(id, method, params && JSON.stringify(params))));
  }

  /** One message of the server's, or several in a list. False: it was none. */
  heard(text: string): boolean {
    const value = parsed(text);
    try {
      if (isMessage(value)) {
        this.#take(value, text);
        return true;
      }
      if (Array.isArray(value) && value.some(isMessage)) {
        for (const one of value) if (isMessage(one)) this.#take(one, undefined);
        return true;
      }
      if (text.trim() !== '') this.#options.noise(text);
    } catch {
      // A hundred thousand lists within each other can be read, and not written again.
      this.#options.noise(text);
    }
    return false;
  }

  /** The process is lost: each request hears of it once. `error` is told whether it had left. */
  lost(error: (hasLeft: boolean) => KeylaneError): void {
    for (const call of this.#calls.all()) {
      this.#settled(call);
      call.reject(error(call.hasLeft));
    }
  }

  #notify({ method, params }: StdioOrder, context: ExecuteContext): Promise<StdioResponse> {
    const call = new Call(this.#calls.newId(), requestText(undefined, method, params), context);
    call.written = () => {
      if (this.#calls.get(call.id) !== call) return;
      this.#settled(call);
      call.resolve({});
    };
    return this.#begun(call);
  }

  #begun(call: Call): Promise<StdioResponse> {
    const { context } = call;
    if (context?.aborted) {
      call.reject(context.aborted);
      return call.answer;
    }
    this.#calls.add(call);
    if (context?.live && !call.written) {
      call.live = new Live(context, this.#options.host, (error) => this.#callOff(call, asOf(error, call.hasLeft)));
      this.#streams.add(call.live);
    }
    context?.onAbort((reason) => this.#callOff(call, reason));
    this.#options.outbox.push(call);
    return call.answer;
  }

  /** What has left cannot be taken back: the server is asked to leave it, and an answer to it is nobody's any more. */
  #callOff(call: Call, reason: Error): void {
    if (this.#calls.get(call.id) !== call) return;
    const { outbox, dialect } = this.#options;
    if (!call.hasLeft) outbox.drop(call);
    else if (call.written) {
      // A notification: there is nothing to leave.
    } else if (dialect === 'lsp') outbox.pushOwn(requestText(undefined, '$/cancelRequest', `{"id":${call.id}}`));
    else outbox.pushOwn(requestText(undefined, 'notifications/cancelled', `{"requestId":${call.id}}`));
    this.#settled(call);
    call.reject(reason);
  }

  #settled(call: Call): void {
    this.#calls.delete(call);
    call.context?.onAbort(undefined);
    if (!call.live) return;
    this.#streams.delete(call.live);
    call.live.end();
  }

  /** `text` is what it was, where it came by itself. */
  #take(message: Message, text: string | undefined): void {
    const { method } = message;
    if (method === undefined) this.#answered(message);
    else if (typeof method !== 'string') return;
    else if (message.id === undefined) this.#told(method, message, text);
    else this.#asked(method, message, text);
  }

  /** An answer to nothing that waits, or to what was called off, is nobody's. */
  #answered(message: Message): void {
    const call = typeof message.id === 'number' ? this.#calls.get(message.id) : undefined;
    if (!call || call.written) return;
    const response = responseOf(message);
    this.#settled(call);
    if (call.context) this.#options.served();
    if (response) call.resolve(response);
    else call.reject(new KeylaneError('ERR_PROTOCOL', 'the answer has neither a result nor an error'));
  }

  #told(method: string, message: Message, text: string | undefined): void {
    if (method === 'notifications/progress' && this.#options.dialect === 'mcp') this.#progress(message);
    else if (method === 'notifications/cancelled' && this.#unasked(message, text)) return;
    else if (!this.#options.host.isShared) this.#tellAll(lineOf(message, text));
    else if (CHANGED.has(method))
      for (const stream of this.#streams) stream.hearOf(requestText(undefined, method, undefined), true);
  }

  #tellAll(line: string): void {
    for (const stream of this.#streams) stream.hear(line);
  }

  #progress(message: Message): void {
    const { params } = message;
    const token = isMessage(params) ? (params as { progressToken?: unknown }).progressToken : undefined;
    const call = typeof token === 'number' ? this.#calls.get(token) : undefined;
    if (!call?.live || call.token === undefined) return;
    const line = lineOf({ ...message, params: { ...(params as object), progressToken: call.token } }, undefined);
    if (this.#options.host.isShared) call.live.hearOf(line, false);
    else call.live.hear(line);
  }

  /** The server calls off a request of its own. */
  #unasked(message: Message, text: string | undefined): boolean {
    const { params } = message;
    const id = isMessage(params) ? idOf((params as { requestId?: unknown }).requestId) : undefined;
    if (id === undefined) return false;
    for (const stream of this.#streams) {
      if (!stream.unask(id)) continue;
      stream.hear(lineOf(message, text));
      return true;
    }
    return false;
  }

  #asked(method: string, message: Message, text: string | undefined): void {
    const { outbox, dialect, host } = this.#options;
    const id = idOf(message.id);
    // One that nobody could answer is none.
    if (id === undefined) return;
    if (method === 'ping' && dialect === 'mcp') {
      outbox.pushOwn(resultText(message.id, {}));
      return;
    }
    const stream = host.isShared ? undefined : [...this.#streams].find((live) => live.canAnswer);
    if (stream) stream.ask(id, message, lineOf(message, text));
    else outbox.pushOwn(errorText(message.id, METHOD_NOT_FOUND, 'nobody here answers requests'));
  }
}

/** One line of JSON: as it came, unless it came with others or holds line ends of its own. */
function lineOf(message: Message, text: string | undefined): string {
  if (text === undefined || text.includes('\n')) return JSON.stringify(message);
  return text.trim();
}

function asOf(error: KeylaneError, hasLeft: boolean): KeylaneError {
  return hasLeft ? new KeylaneError(error.code, error.message, { outcome: 'unknown' }) : error;
}
