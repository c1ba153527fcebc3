import { KeylaneError } from '../../../src/errors.js';
import { StreamsExceeded } from '../../../src/types.js';
import type { Clock, Timer } from '../../../src/util/clock.js';
import { WINDOW } from './incoming.js';
import { cutShort, sessionRefused, windowOverrun } from './session-errors.js';
import type { Slots } from './slots.js';
import type { ChannelPeer, Transport } from './transport.js';

const PACKET = 32 << 10;
/** What it gets to end by itself. */
const END_MS = 1_000;

/** What a subsystem needs of its connection. */
export interface SubsystemHost {
  readonly key: string;
  readonly transport: Transport;
  readonly slots: Slots;
  readonly answerMs: number;
  readonly clock: Clock;
  count(): { running: number; lingering: number };
  retire(): void;
  destroy(error: KeylaneError): void;
  reopen(subsystem: Subsystem): void;
  removed(subsystem: Subsystem): void;
}

/** Who speaks over it. */
export interface SubsystemUser {
  received(data: Buffer): void;
  /** It is over, and nothing more will come. */
  failed(error: KeylaneError): void;
}

/**
 * A program of the server's that speaks a protocol of its own over a channel (RFC 4254, 6.5): `sftp`. It is a session, so
 * the server counts it. What it writes is taken at once; who uses it bounds that by how much it asks for.
 */
export class Subsystem implements ChannelPeer {
  state: 'opening' | 'starting' | 'open' | 'ending' | 'closing' | 'closed' = 'opening';
  /** Our number of the channel. */
  channel = -1;
  readonly #host: SubsystemHost;
  readonly #name: string;
  readonly #user: SubsystemUser;
  #peer = -1;
  #mark = 0;
  #certain = true;
  #window = WINDOW;
  #credit = 0;
  #packet = PACKET;
  #waiting: Buffer[] = [];
  #timer: Timer;
  #ready!: () => void;
  #notReady!: (error: Error) => void;
  #tellOver!: () => void;
  readonly #over: Promise<void>;
  /** Resolves when the subsystem runs. Rejects with `StreamsExceeded` where the server allows fewer sessions. */
  readonly ready: Promise<void>;

  constructor(host: SubsystemHost, name: string, user: SubsystemUser) {
    this.#host = host;
    this.#name = name;
    this.#user = user;
    this.ready = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#notReady = reject;
    });
    this.ready.catch(() => undefined);
    this.#over = new Promise((resolve) => {
      this.#tellOver = resolve;
    });
    this.#timer = host.clock.timer(host.answerMs, () => {
      const message = `${host.key} did not start the subsystem ${name} within ${Math.round(host.answerMs)} ms`;
      host.retire();
      this.#fail(new KeylaneError('ERR_CONNECTION_LOST', message, { key: host.key, outcome: 'not_started' }));
    });
  }

  open(channel: number): void {
    this.channel = channel;
    this.#mark = this.#host.slots.mark();
    this.#certain = this.#host.slots.certain;
    this.#host.transport.session(channel, WINDOW, PACKET);
  }

  /** Sends it, or as much as the server takes now and the rest later. */
  write(data: Buffer): void {
    this.#waiting.push(data);
    this.#send();
  }

  /**
   * Ends its input and resolves when the server has ended it: only then is its place among the sessions free. One that
   * does not end is closed all the same.
   */
  async end(): Promise<void> {
    if (this.state !== 'open') {
      this.close();
      return;
    }
    this.state = 'ending';
    this.#waiting = [];
    this.#host.transport.channelEOF(this.#peer);
    this.#timer = this.#host.clock.timer(END_MS, () => this.close());
    await this.#over;
    this.#timer.cancel();
  }

  close(): void {
    if (this.state === 'starting' || this.state === 'open' || this.state === 'ending') this.#sendClose();
    // A channel that is still opening is closed when it is open.
    else if (this.state === 'opening') this.state = 'closing';
    this.#timer.cancel();
    this.#tellOver();
  }

  cut(error: KeylaneError): void {
    this.#gone();
    this.#fail(cutShort(this.#host.key, false, error));
  }

  // What the server says: ChannelPeer.

  opened(channel: number, window: number, packet: number): void {
    this.#host.slots.answered(this.#mark);
    this.#peer = channel;
    this.#credit = window;
    this.#packet = packet;
    if (this.state === 'closing') {
      this.#sendClose();
      return;
    }
    this.state = 'starting';
    this.#host.transport.subsystem(channel, this.#name, true);
  }

  refused(reason: number, description: string): void {
    const host = this.#host;
    host.slots.answered(this.#mark);
    if (this.state === 'opening' && !this.#certain) {
      host.reopen(this);
      return;
    }
    this.#gone();
    const { running, lingering } = host.count();
    if (lingering > 0) host.retire();
    const most = running + lingering;
    this.#fail(most > 0 ? new StreamsExceeded(most) : sessionRefused(host.key, reason, description));
  }

  replied(ok: boolean): void {
    if (this.state !== 'starting') return;
    if (!ok) {
      const { key } = this.#host;
      const message = `${key} has no subsystem ${this.#name} (sshd_config's Subsystem)`;
      this.close();
      this.#fail(new KeylaneError('ERR_CONNECT', message, { key, retryable: false }));
      return;
    }
    this.state = 'open';
    this.#timer.cancel();
    this.#ready();
    this.#send();
  }

  received(data: Buffer, stderr: boolean): void {
    this.#window -= data.length;
    if (this.#window < 0) {
      this.#host.destroy(windowOverrun(this.#host.key));
      return;
    }
    if (this.#window < WINDOW / 2 && this.state === 'open') {
      this.#host.transport.channelWindowAdjust(this.#peer, WINDOW - this.#window);
      this.#window = WINDOW;
    }
    if (!stderr && this.state === 'open') this.#user.received(data);
  }

  granted(bytes: number): void {
    this.#credit += bytes;
    this.#send();
  }

  requested(_type: string, wantReply: boolean): void {
    if (wantReply) this.#host.transport.channelFailure(this.#peer);
  }

  ended(): void {
    this.#failEnded();
  }

  closed(): void {
    if (this.state !== 'closing') this.#sendClose();
    this.#failEnded();
    this.#gone();
  }

  #failEnded(): void {
    const { key } = this.#host;
    const message = `${key} ended the subsystem ${this.#name}`;
    this.#fail(new KeylaneError('ERR_CONNECTION_LOST', message, { key, outcome: 'not_started' }));
  }

  #send(): void {
    if (this.state !== 'open') return;
    for (let first = this.#waiting[0]; first && this.#credit > 0; first = this.#waiting[0]) {
      const length = Math.min(first.length, this.#credit, this.#packet);
      this.#credit -= length;
      this.#host.transport.channelData(this.#peer, length === first.length ? first : first.subarray(0, length));
      if (length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(length);
    }
  }

  #sendClose(): void {
    this.state = 'closing';
    this.#waiting = [];
    this.#host.slots.closed();
    this.#host.transport.channelClose(this.#peer);
  }

  #fail(error: Error): void {
    this.#timer.cancel();
    this.#notReady(error);
    if (error instanceof KeylaneError) this.#user.failed(error);
  }

  #gone(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#timer.cancel();
    this.#tellOver();
    this.#host.removed(this);
  }
}
