import { KeylaneError } from '../../../src/errors.js';
import type { ExecOrder } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import { type ExecuteContext, StreamsExceeded } from '../../../src/types.js';
import type { Due } from '../../../src/util/deadlines.js';
import { deferred } from '../../../src/util/deferred.js';
import { Incoming, type IncomingOwner, WINDOW } from './incoming.js';
import { Linger } from './linger.js';
import { channelTo, Outgoing, sendEnd } from './outgoing.js';
import {
  asCanceled,
  channelClosed,
  cutShort,
  execRefused,
  NOBODY_KNOWS,
  outputCut,
  sessionRefused,
  silent,
  stoppedWith,
  unanswered,
  unheard,
  windowOverrun,
} from './session-errors.js';
import type { SessionHost, SudoOf } from './session-host.js';
import type { SessionState } from './session-state.js';
import { askFirst, type Setup } from './setup.js';
import { signalName } from './signal-name.js';
import { Stopping } from './stopping.js';
import { Sudo, type SudoPeer } from './sudo.js';
import { Sweep } from './sweep.js';
import type { ChannelPeer } from './transport.js';

const PACKET = 32 << 10;

/** One command on a channel of its own (RFC 4254, 5 and 6), as SessionState tells. */
export class Session implements ChannelPeer, IncomingOwner, SudoPeer, Due {
  state: SessionState = 'opening';
  dueAt: number;
  /** Our number of the channel. */
  channel = -1;
  readonly #host: SessionHost;
  readonly #order: ExecOrder;
  readonly #context: ExecuteContext;
  readonly #incoming: Incoming;
  #outgoing: Outgoing | undefined = undefined;
  #stopping: Stopping | undefined = undefined;
  readonly #settled = deferred<SshResponse>();
  /** The server's number of the channel, and what it takes. */
  #peer = -1;
  #window = 0;
  #packet = 0;
  #mark = 0;
  #certain = true;
  #setup: Setup | undefined = undefined;
  readonly #sudo: Sudo | undefined;
  readonly #sweep: Sweep | undefined;
  /** When it last wrote something; kept where silence has a limit. */
  #heardAt = 0;
  #code: number | null = null;
  #signal: string | null = null;
  #linger: Linger | undefined = undefined;
  #ended = false;

  constructor(host: SessionHost, order: ExecOrder, context: ExecuteContext, sudo?: SudoOf) {
    this.#host = host;
    this.#context = context;
    this.#sweep = order.killTree ? new Sweep() : undefined;
    this.#order = this.#sweep ? { ...order, command: this.#sweep.mark(order.command) } : order;
    this.#sudo = sudo ? new Sudo(this.#order, sudo, host.key) : undefined;
    this.#incoming = new Incoming(order, context, this);
    this.dueAt = host.now() + host.answerMs;
    context.onAbort((reason) => this.#stop(asCanceled(reason)));
  }

  get result(): Promise<SshResponse> {
    return this.#settled.promise;
  }

  /** True while the caller waits for the result. */
  get pending(): boolean {
    return this.state !== 'abandoned' && this.state !== 'closing' && this.state !== 'closed';
  }

  /** Asks for the channel. */
  open(channel: number): void {
    this.channel = channel;
    this.#mark = this.#host.slots.mark();
    this.#certain = this.#host.slots.certain;
    this.#host.transport.session(channel, WINDOW, PACKET);
    this.#host.watch(this.dueAt);
  }

  // What the server says: ChannelPeer.

  opened(channel: number, window: number, packet: number): void {
    this.#host.slots.answered(this.#mark);
    this.#peer = channel;
    this.#window = window;
    this.#packet = packet;
    if (this.state === 'abandoned') this.#close();
    if (this.state !== 'opening') return;
    this.#setup = askFirst(this.#order, this.#host, channel);
    if (this.#setup) this.state = 'setting';
    else this.#start();
  }

  refused(reason: number, description: string): void {
    const host = this.#host;
    host.slots.answered(this.#mark);
    if (this.state === 'opening' && !this.#certain) {
      host.reopen(this);
      return;
    }
    const wanted = this.pending;
    this.#gone();
    if (!wanted) return;
    const { running, lingering } = host.count();
    // Commands that outlived their request count with the server: a new connection has none of them.
    if (lingering > 0) host.retire();
    const most = running + lingering;
    this.#fail(most > 0 ? new StreamsExceeded(most) : sessionRefused(host.key, reason, description));
  }

  replied(ok: boolean): void {
    if (this.state === 'setting') {
      const answer = this.#setup?.answered(ok);
      if (answer === 'done') this.#start();
      else if (answer !== 'waiting' && answer) this.#refuse(answer);
    } else if (this.state === 'starting') {
      if (!ok) {
        this.#refuse(execRefused(this.#host.key));
        return;
      }
      this.state = 'running';
      // Of sudo an answer is waited for as of the server.
      if (!this.#sudo || this.#sudo.begun) this.#listen();
    }
  }

  received(data: Buffer, stderr: boolean): void {
    if (this.#order.silenceMs !== undefined) this.#heardAt = this.#host.now();
    const output = this.#sudo ? this.#sudo.take(data, stderr, this) : data;
    if (!this.#incoming.take(data.length, output, stderr)) this.#host.destroy(windowOverrun(this.#host.key));
  }

  granted(bytes: number): void {
    if (this.#outgoing) this.#outgoing.granted(bytes);
    else this.#window += bytes;
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
    const { state } = this;
    if (state !== 'closing') this.#sendClose();
    if (state === 'stopping') this.#host.outlived();
    this.#gone();
    if (state === 'exited') this.#succeed();
    else if (state === 'stopping') this.#stopping?.ended(NOBODY_KNOWS.channelClosed);
    else if (state === 'setting') this.#fail(channelClosed(this.#host.key, false));
    else if (state === 'starting' || state === 'running') this.#fail(channelClosed(this.#host.key, true));
  }

  // What the connection says.

  /** The connection is gone. */
  cut(cause: KeylaneError): void {
    const { state } = this;
    const { key } = this.#host;
    this.#gone();
    if (state === 'opening' || state === 'setting') this.#fail(cutShort(key, false, cause));
    else if (state === 'starting' || state === 'running') this.#fail(cutShort(key, true, cause));
    else if (state === 'stopping') this.#stopping?.lost();
    else if (state === 'exited' && this.#ended) this.#succeed();
    else if (state === 'exited') this.#fail(outputCut(key, this.#how(), cause));
  }

  /** `dueAt` has passed. */
  overdue(): void {
    const now = this.#host.now();
    const { state } = this;
    this.dueAt = Number.POSITIVE_INFINITY;
    if (state === 'opening' || state === 'setting' || state === 'starting') {
      this.#unanswered();
    } else if (state === 'running') {
      this.#quiet(now);
    } else if (state === 'stopping') {
      this.#stopping?.next();
    } else if (state === 'exited') {
      const ms = this.#linger?.look(now);
      // A server that answers at once has settled it.
      if (ms !== undefined && this.state === 'exited') this.#lookIn(ms);
      if (ms === undefined) this.#refuse(outputCut(this.#host.key, this.#how(), unheard(this.#host.key)));
    }
  }

  #start(): void {
    const { transport } = this.#host;
    this.state = 'starting';
    this.#context.sent();
    transport.exec(this.#peer, this.#sudo?.command ?? this.#order.command, true);
    // Without waiting for the reply: it all goes out in one write, and the server takes it in order.
    if (!this.#sudo) this.#feed();
  }

  /** Sends what the command is to read. */
  #feed(): void {
    const { transport, pressure } = this.#host;
    const what = { stdin: this.#order.stdin, input: this.#context.input };
    if (what.stdin === undefined && what.input === undefined) {
      sendEnd(transport, this.#peer, this.#order);
      return;
    }
    const channel = channelTo(transport, this.#peer, this.#order, pressure);
    const limits = { window: this.#window, packet: this.#packet };
    this.#outgoing = new Outgoing(channel, limits, what, (cause) =>
      this.#stop(new KeylaneError('ERR_CANCELED', 'the input of the command failed', { cause })),
    );
    this.#outgoing.resume();
  }

  #exit(code: number | null, signal: string | null): void {
    const { state } = this;
    if (state !== 'starting' && state !== 'running' && state !== 'stopping') return;
    this.#code = code;
    this.#signal = signal;
    if (state === 'stopping') {
      this.#close();
      this.#stopping?.endedBy(code, signal);
      return;
    }
    this.state = 'exited';
    this.#outgoing?.stop();
    this.#linger = new Linger(this.#host.now(), this.#incoming, () => this.#host.ping(() => this.#answered()));
    this.#lookIn(this.#linger.start());
  }

  #answered(): void {
    if (this.state !== 'exited') return;
    const ms = this.#linger?.answered(this.#host.now());
    if (ms !== undefined) return void this.#lookIn(ms);
    this.#close();
    this.#succeed();
  }

  #lookIn(ms: number): void {
    this.dueAt = this.#host.now() + ms;
    this.#host.watch(this.dueAt);
  }

  // What its output says: IncomingOwner.

  readerFailed(cause: unknown): void {
    this.#stop(new KeylaneError('ERR_CANCELED', 'the reader of the output failed', { cause }));
  }

  grant(bytes: number): void {
    if (this.state !== 'closing' && this.state !== 'closed')
      this.#host.transport.channelWindowAdjust(this.#peer, bytes);
  }

  #stop(reason: KeylaneError): void {
    const { state } = this;
    if (state === 'opening') {
      this.state = 'abandoned';
      this.#fail(reason);
    } else if (state === 'setting') {
      this.#refuse(reason);
    } else if (state === 'exited') {
      this.#refuse(
        stoppedWith(
          reason,
          { stopped: 'killed', says: `the command ended (${this.#how()}) while its output was still coming` },
          this.#host.key,
        ),
      );
    } else if (state === 'starting' || state === 'running') {
      this.state = 'stopping';
      this.#incoming.drop();
      this.#outgoing?.stop();
      this.#stopping = new Stopping(reason, this.#host.key, {
        // Not by ssh2's channel, which drops a signal after end of file.
        signal: (name) => this.#host.transport.signal(this.#peer, name),
        wait: (ms) => this.#lookIn(ms),
        giveUp: () => {
          this.#close();
          this.#host.outlived();
        },
        sweep: this.#sweep && (() => this.#host.sweep(this.#sweep as Sweep, this.#sudo?.of)),
        fail: (error) => this.#fail(error),
      });
      this.#stopping.next();
    }
  }

  /** From now on only silence has a limit. */
  #listen(): void {
    const { silenceMs } = this.#order;
    this.dueAt = Number.POSITIVE_INFINITY;
    if (silenceMs === undefined) return;
    this.#heardAt = this.#host.now();
    this.dueAt = this.#heardAt + silenceMs;
    this.#host.watch(this.dueAt);
  }

  #quiet(now: number): void {
    const { silenceMs } = this.#order;
    if (this.#sudo && !this.#sudo.begun) {
      this.#refuse(this.#sudo.refusal(`no answer within ${Math.round(this.#host.answerMs)} ms`));
      return;
    }
    if (silenceMs === undefined) return;
    this.dueAt = this.#heardAt + silenceMs;
    if (this.dueAt > now) this.#host.watch(this.dueAt);
    else this.#stop(silent(silenceMs));
  }

  // What sudo says: SudoPeer.

  say(line: string): void {
    this.#host.transport.channelData(this.#peer, Buffer.from(line));
  }

  begun(early: Buffer | undefined): void {
    if (early) this.#incoming.keep(early, false);
    if (this.state === 'starting' || this.state === 'running') this.#feed();
    if (this.state === 'running') this.#listen();
  }

  failed(error: KeylaneError): void {
    if (this.state === 'starting' || this.state === 'running') this.#refuse(error);
  }

  #unanswered(): void {
    const error = unanswered(this.#host.key, this.state === 'starting', this.#host.answerMs);
    if (this.state === 'opening') this.state = 'abandoned';
    else this.#close();
    this.#host.retire();
    this.#fail(error);
  }

  /** Gives the channel back and fails the request. */
  #refuse(error: KeylaneError): void {
    this.#close();
    this.#fail(error);
  }

  #how(): string {
    return this.#signal ?? `status ${this.#code}`;
  }

  #close(): void {
    this.state = 'closing';
    this.#sendClose();
  }

  #sendClose(): void {
    this.#host.slots.closed();
    this.#host.transport.channelClose(this.#peer);
  }

  #gone(): void {
    this.state = 'closed';
    this.#host.removed(this);
  }

  #succeed(): void {
    // Only now: its status may come before what it wrote.
    if (this.#sudo && !this.#sudo.begun) this.#fail(this.#sudo.refusal(this.#how()));
    else this.#tell();
  }

  #tell(): void {
    this.#settle();
    const response = this.#incoming.response(this.#code, this.#signal, this.#order.encoding);
    this.#incoming.whenRead(() => this.#settled.resolve(response));
  }

  #fail(error: Error): void {
    this.#settle();
    this.#settled.reject(error);
  }

  #settle(): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    this.#incoming.drop();
    this.#outgoing?.stop();
    this.#context.onAbort(undefined);
  }
}
