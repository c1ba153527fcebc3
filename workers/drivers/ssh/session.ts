import { KeylaneError } from '../../../src/errors.js';
import type { SshOrder } from '../../../src/specs/ssh.js';
import { type ExecuteContext, type SshResponse, StreamsExceeded } from '../../../src/types.js';
import type { Due } from '../../../src/util/deadlines.js';
import { Live } from './live.js';
import { Output } from './output.js';
import { Stdin } from './stdin.js';
import { Stopping } from './stopping.js';
import type { ChannelPeer, Transport } from './transport.js';

/** What a session needs of its connection. */
export interface SessionHost {
  readonly key: string;
  readonly transport: Transport;
  /** Milliseconds within which the server has to open a channel and start the command. */
  readonly answerMs: number;
  now(): number;
  /** Calls `overdue` of the session when its `dueAt` has passed. */
  watch(dueAt: number): void;
  /** Sessions whose channel is open: of requests that run, and of requests that were given up. */
  count(): { running: number; lingering: number };
  /** Takes no further request. */
  retire(): void;
  /** The server broke the protocol, or is silent: nothing it says can be relied on. */
  destroy(error: KeylaneError): void;
  /** The channel is gone, and its number free. */
  removed(session: Session): void;
}

/** Receive window of a channel, as OpenSSH has it. stdout and stderr share it. */
const WINDOW = 2 << 20;
const PACKET = 32 << 10;
/** After the exit status: what a quiet channel gets to close, and what a busy one gets in all. */
const LINGER_MS = 1_000;
const LINGER_MOST_MS = 30_000;

/**
 * One command on a channel of its own (RFC 4254, 5 and 6). The outcome comes from `exit-status` or `exit-signal` and
 * from nothing else.
 *
 *     opening ──▶ setting ──▶ starting ──▶ running ──▶ exited ──▶ closed
 *        │        (only env)      └───────────┴── aborted ──▶ stopping
 *        │                                                       │
 *        └── aborted ──▶ abandoned ──▶ closing ──▶ closed ◀──────┘
 *
 * opening    CHANNEL_OPEN is sent
 * setting    `env` is sent, not all of it answered
 * starting   `exec` is sent: from here on the command may run
 * running    the server said that it runs
 * exited     the status is known; the output may not be complete
 * stopping   the request was aborted; the command is being signalled (Stopping)
 * abandoned  the request is settled and the channel not yet open
 * closing    the request is settled, CHANNEL_CLOSE is sent, the server's is not yet here
 */
export type SessionState =
  | 'opening'
  | 'setting'
  | 'starting'
  | 'running'
  | 'exited'
  | 'stopping'
  | 'abandoned'
  | 'closing'
  | 'closed';

export class Session implements ChannelPeer, Due {
  state: SessionState = 'opening';
  dueAt: number;
  /** Our number of the channel, and the server's. */
  channel = -1;
  readonly result: Promise<SshResponse>;
  readonly #host: SessionHost;
  readonly #order: SshOrder;
  readonly #context: ExecuteContext;
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #live: Live | undefined;
  #stdin: Stdin | undefined = undefined;
  #stopping: Stopping | undefined = undefined;
  #resolve!: (response: SshResponse) => void;
  #reject!: (error: Error) => void;
  #peer = -1;
  #window = WINDOW;
  #sendWindow = 0;
  #packet = 0;
  #unset: string[] = [];
  #code: number | null = null;
  #signal: string | null = null;
  #ended = false;
  #heard = false;
  #exitedAt = 0;

  constructor(host: SessionHost, order: SshOrder, context: ExecuteContext) {
    this.#host = host;
    this.#order = order;
    this.#context = context;
    this.#stdout = new Output(order.maxOutputBytes);
    this.#stderr = new Output(order.maxOutputBytes);
    this.#live = context.live ? new Live(context, this.#readOn, this.#readFailed) : undefined;
    this.dueAt = host.now() + host.answerMs;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** True while the caller waits for the result. */
  get pending(): boolean {
    return this.state !== 'abandoned' && this.state !== 'closing' && this.state !== 'closed';
  }

  /** Asks for the channel. */
  open(channel: number): void {
    this.channel = channel;
    this.#context.signal.addEventListener('abort', this.#aborted);
    this.#host.transport.session(channel, WINDOW, PACKET);
    this.#host.watch(this.dueAt);
  }

  // What the server says: ChannelPeer.

  opened(channel: number, window: number, packetSize: number): void {
    this.#peer = channel;
    this.#sendWindow = window;
    this.#packet = packetSize;
    if (this.state === 'abandoned') this.#close();
    if (this.state !== 'opening') return;
    const { env } = this.#order;
    this.#unset = env ? Object.keys(env) : [];
    if (!env || this.#unset.length === 0) {
      this.#start();
      return;
    }
    this.state = 'setting';
    for (const name of this.#unset) this.#host.transport.env(channel, name, env[name] as string, true);
  }

  refused(reason: number, description: string): void {
    const abandoned = this.state === 'abandoned';
    const { running, lingering } = this.#host.count();
    this.#gone();
    if (abandoned) return;
    // Channels of commands that outlive their request still count with the server: a new connection has none of them.
    if (lingering > 0) this.#host.retire();
    if (running + lingering > 0) {
      this.#fail(new StreamsExceeded(running + lingering));
      return;
    }
    const message = `${this.#host.key} takes no session: ${description || 'refused'} (reason ${reason})`;
    this.#fail(new KeylaneError('ERR_CONNECT', message, { retryable: reason !== PROHIBITED, key: this.#host.key }));
  }

  replied(ok: boolean): void {
    switch (this.state) {
      case 'setting': {
        const name = this.#unset.shift() as string;
        if (!ok)
          this.#refuse(
            'ERR_INPUT',
            `ssh.env.${name}: ${this.#host.key} refuses to set it; add \`AcceptEnv ${name}\` to its sshd_config, or set it in the command`,
          );
        else if (this.#unset.length === 0) this.#start();
        return;
      }
      case 'starting':
        if (ok) {
          this.state = 'running';
          this.dueAt = Number.POSITIVE_INFINITY;
        } else {
          this.#refuse('ERR_CONNECT', `${this.#host.key} refuses to run a command`);
        }
    }
  }

  received(data: Buffer, stderr: boolean): void {
    this.#window -= data.length;
    if (this.#window < 0) {
      this.#host.destroy(
        new KeylaneError('ERR_PROTOCOL', `${this.#host.key} sent more than it was allowed to`, { key: this.#host.key }),
      );
      return;
    }
    this.#heard = true;
    if (this.pending && this.state !== 'stopping') {
      (stderr ? this.#stderr : this.#stdout).add(data);
      this.#live?.add(stderr ? 'stderr' : 'stdout', data);
    }
    this.#readOn();
  }

  granted(bytes: number): void {
    this.#sendWindow += bytes;
    this.#stdin?.resume();
  }

  requested(type: string, wantReply: boolean, data: unknown): void {
    // Also after the exit: sshd's ClientAliveInterval asks on any open channel, and ends the connection unanswered.
    if (wantReply) this.#host.transport.channelFailure(this.#peer);
    if (type === 'exit-status') this.#exit(data as number, null);
    else if (type === 'exit-signal') this.#exit(null, signalName((data as { signal: string }).signal));
  }

  ended(): void {
    this.#ended = true;
  }

  closed(): void {
    const state = this.state;
    if (state !== 'closing') this.#host.transport.channelClose(this.#peer);
    this.#gone();
    if (state === 'exited') this.#succeed();
    else if (state === 'stopping') this.#stopped('the channel was closed, and nobody knows whether it still runs');
    else if (state === 'starting' || state === 'running')
      this.#fail(this.#lost('closed the channel without an exit status'));
    else if (state === 'setting')
      this.#fail(new KeylaneError('ERR_CONNECT', `${this.#host.key} closed the channel`, { key: this.#host.key }));
  }

  // What the connection says.

  /** The connection is gone. */
  cut(error: KeylaneError): void {
    const state = this.state;
    this.#gone();
    if (state === 'stopping') this.#stopped('the connection was lost, and nobody knows whether it still runs');
    else if (state === 'opening' || state === 'setting')
      this.#fail(
        new KeylaneError(error.code, error.message, { outcome: 'not_started', key: this.#host.key, cause: error }),
      );
    else if (state === 'exited' && this.#ended) this.#succeed();
    else if (state === 'exited')
      this.#fail(this.#lost(`ended the command (${this.#how()}), but its output was cut`, error));
    else if (state === 'starting' || state === 'running')
      this.#fail(
        new KeylaneError(error.code, error.message, { outcome: 'unknown', key: this.#host.key, cause: error }),
      );
  }

  /** `dueAt` has passed. */
  overdue(): void {
    const now = this.#host.now();
    this.dueAt = Number.POSITIVE_INFINITY;
    switch (this.state) {
      case 'opening':
      case 'setting':
      case 'starting':
        this.#unanswered();
        return;
      case 'exited':
        // A child in the background may hold the output open for ever; output that still comes may be the command's.
        if (this.#live?.behind || (this.#heard && now - this.#exitedAt < LINGER_MOST_MS)) this.#linger(now);
        else this.#end();
        return;
      case 'stopping':
        this.#stopping?.next();
    }
  }

  #start(): void {
    const { transport } = this.#host;
    const { stdin } = this.#order;
    const { input } = this.#context;
    this.state = 'starting';
    this.#context.sent();
    transport.exec(this.#peer, this.#order.command, true);
    // Without waiting for the reply: it all goes out in one write, and the server takes it in order.
    if (stdin === undefined && input === undefined) {
      transport.channelEOF(this.#peer);
      return;
    }
    this.#stdin = new Stdin(stdin, input, this.#sendSome, this.#inputFailed);
    this.#stdin.resume();
  }

  /** Sends what the window allows of `data`; tells how much that was. Undefined ends the input. */
  readonly #sendSome = (data: Buffer | undefined): number => {
    if (this.state !== 'starting' && this.state !== 'running') return data?.length ?? 0;
    if (data === undefined) {
      this.#host.transport.channelEOF(this.#peer);
      return 0;
    }
    const length = Math.min(data.length, this.#sendWindow, this.#packet);
    if (length === 0) return 0;
    this.#sendWindow -= length;
    this.#host.transport.channelData(this.#peer, length === data.length ? data : data.subarray(0, length));
    return length;
  };

  readonly #inputFailed = (error: unknown): void => {
    this.#stop(new KeylaneError('ERR_CANCELED', 'the input of the command failed', { cause: error }));
  };

  /** Gives the server new window, unless the reader is behind: then the server stops, and not our memory. */
  readonly #readOn = (): void => {
    if (
      this.#window > WINDOW / 2 ||
      this.#live?.behind ||
      this.#peer < 0 ||
      this.state === 'closing' ||
      this.state === 'closed'
    )
      return;
    this.#host.transport.channelWindowAdjust(this.#peer, WINDOW - this.#window);
    this.#window = WINDOW;
  };

  readonly #readFailed = (error: unknown): void => {
    this.#stop(new KeylaneError('ERR_CANCELED', 'the reader of the output failed', { cause: error }));
  };

  readonly #aborted = (): void => {
    const { reason } = this.#context.signal;
    this.#stop(
      reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason }),
    );
  };

  #exit(code: number | null, signal: string | null): void {
    this.#code = code;
    this.#signal = signal;
    if (this.state === 'stopping') {
      this.#stopped(this.#stopping?.endedBy(code, signal) ?? '');
    } else if (this.state === 'starting' || this.state === 'running') {
      this.state = 'exited';
      this.#exitedAt = this.#host.now();
      this.#linger(this.#exitedAt);
    }
  }

  #linger(now: number): void {
    this.#heard = false;
    this.dueAt = now + LINGER_MS;
    this.#host.watch(this.dueAt);
  }

  /** The status is known and nothing more is waited for. */
  #end(): void {
    this.#close();
    this.#succeed();
  }

  #stop(reason: KeylaneError): void {
    if (this.state === 'opening' || this.state === 'setting') {
      if (this.state === 'opening') this.state = 'abandoned';
      else this.#close();
      this.#fail(reason);
    } else if (this.state === 'exited') {
      this.#close();
      this.#fail(
        withKnown(reason, `the command ended (${this.#how()}) while its output was still coming`, this.#host.key),
      );
    } else if (this.state === 'starting' || this.state === 'running') {
      this.state = 'stopping';
      this.#stopping = new Stopping(reason, {
        signal: (name) => this.#host.transport.signal(this.#peer, name),
        wait: (ms) => {
          this.dueAt = this.#host.now() + ms;
          this.#host.watch(this.dueAt);
        },
        giveUp: (known) => this.#stopped(known),
      });
      this.#stopping.next();
    }
  }

  /** Ends `stopping` with what is known of the command. */
  #stopped(known: string): void {
    const reason = this.#stopping?.reason as KeylaneError;
    if (this.state === 'stopping') this.#close();
    this.#fail(withKnown(reason, known, this.#host.key));
  }

  /** The server refused one thing and is fine: nothing ran. */
  #refuse(code: 'ERR_INPUT' | 'ERR_CONNECT', message: string): void {
    this.#close();
    this.#fail(new KeylaneError(code, message, { outcome: 'not_started', retryable: false, key: this.#host.key }));
  }

  #unanswered(): void {
    const { key, answerMs } = this.#host;
    const started = this.state === 'starting';
    const what = started ? 'start of a command' : 'opening of a channel';
    const error = new KeylaneError(
      'ERR_CONNECTION_LOST',
      `${key} did not answer the ${what} within ${Math.round(answerMs)} ms`,
      {
        outcome: started ? 'unknown' : 'not_started',
        key,
      },
    );
    if (this.state === 'opening') this.state = 'abandoned';
    else this.#close();
    this.#host.retire();
    this.#fail(error);
  }

  #lost(what: string, cause?: unknown): KeylaneError {
    return new KeylaneError('ERR_CONNECTION_LOST', `${this.#host.key} ${what}`, {
      outcome: 'unknown',
      key: this.#host.key,
      cause,
    });
  }

  #how(): string {
    return this.#signal ?? `status ${this.#code}`;
  }

  #close(): void {
    this.state = 'closing';
    this.#host.transport.channelClose(this.#peer);
  }

  #gone(): void {
    this.state = 'closed';
    this.#host.removed(this);
  }

  #succeed(): void {
    this.#settle();
    const { encoding } = this.#order;
    const truncated = this.#stdout.truncated || this.#stderr.truncated;
    const stdout = this.#stdout.read(encoding);
    const stderr = this.#stderr.read(encoding);
    const response = { code: this.#code, signal: this.#signal, stdout, stderr, truncated };
    if (this.#live?.behind) this.#live.drained(() => this.#resolve(response));
    else this.#resolve(response);
  }

  #fail(error: Error): void {
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    this.#stdin?.stop();
    this.#context.signal.removeEventListener('abort', this.#aborted);
  }
}

const PROHIBITED = 1;

/** As Node names it: the protocol leaves `SIG` away, and has names of its own with an `@` in them. */
function signalName(name: string): string {
  return name.startsWith('SIG') ? name : `SIG${name}`;
}

/** The reason to stop, and what is known of the command. What was started and called off may have run. */
function withKnown(reason: KeylaneError, known: string, key: string): KeylaneError {
  const outcome = reason.code === 'ERR_CANCELED' ? 'canceled' : 'unknown';
  return new KeylaneError(reason.code, `${reason.message}; ${known}`, { outcome, key, cause: reason.cause });
}
