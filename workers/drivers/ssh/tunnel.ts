import { Duplex } from 'node:stream';
import { KeylaneError } from '../../../src/errors.js';
import { printable } from '../../../src/util/printable.js';
import { WINDOW } from './incoming.js';
import type { Pressure } from './pressure.js';
import type { ChannelPeer, Transport } from './transport.js';

const PACKET = 32 << 10;

/** What a tunnel needs of the connection that it goes through. */
export interface TunnelHost {
  readonly key: string;
  readonly transport: Transport;
  readonly pressure: Pick<Pressure, 'tooMuch'>;
  /** The server broke the protocol: nothing it says can be relied on. */
  destroy(error: KeylaneError): void;
  /** The channel is gone and its number free. */
  removed(tunnel: Tunnel): void;
}

/**
 * A TCP connection that the peer of an SSH connection makes for us (`direct-tcpip`, RFC 4254, 7.2), as a stream: what
 * runs over a jump host. Under flow control both ways, so a slow side never fills the memory of this one.
 */
export class Tunnel extends Duplex {
  /** Our number of the channel. */
  channel = -1;
  bytesRead = 0;
  bytesWritten = 0;
  /** For what others have sent through the same connection. */
  #waits = false;
  /** What the messages of the channel are told to. */
  readonly peer: ChannelPeer = {
    opened: (channel, window, packet) => this.#opened(channel, window, packet),
    refused: (reason, description) => this.#refused(reason, description),
    replied: () => undefined,
    received: (data) => this.#received(data),
    granted: (bytes) => this.#granted(bytes),
    requested: (_type, wantReply) => {
      if (wantReply) this.#host.transport.channelFailure(this.#peer);
    },
    ended: () => {
      if (this.#state === 'open') this.push(null);
    },
    closed: () => this.#closedByPeer(),
  };
  /** Resolves when the peer has connected; rejects with `ERR_CONNECT` where it has not. */
  readonly ready: Promise<void>;
  readonly #host: TunnelHost;
  readonly #to: string;
  #ready!: () => void;
  #notReady!: (error: KeylaneError) => void;
  #peer = -1;
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  /** What the peer may still send, and what it was not yet given back. */
  #window = WINDOW;
  #used = 0;
  /** What we may still send. */
  #credit = 0;
  #packet = PACKET;
  #left: Buffer | undefined = undefined;
  #sent: (() => void) | undefined = undefined;

  constructor(host: TunnelHost, to: string) {
    super({ allowHalfOpen: false });
    this.#host = host;
    this.#to = to;
    this.ready = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#notReady = reject;
    });
    this.ready.catch(() => undefined);
    // An `error` may come when nobody listens: before the log-in, or after its end.
    this.on('error', () => undefined);
  }

  open(channel: number, address: { host: string; port: number }): void {
    this.channel = channel;
    // sshd only logs where it comes from.
    const where = { dstIP: address.host, dstPort: address.port, srcIP: '127.0.0.1', srcPort: 0 };
    this.#host.transport.directTcpip(channel, WINDOW, PACKET, where);
  }

  /** The connection below is gone. */
  cut(error: KeylaneError): void {
    this.#gone();
    this.#notReady(error);
    this.destroy(error);
  }

  // What the server says.

  #opened(channel: number, window: number, packet: number): void {
    this.#peer = channel;
    this.#credit = window;
    this.#packet = Math.min(packet, PACKET);
    if (this.destroyed) {
      this.#state = 'closing';
      this.#host.transport.channelClose(channel);
      return;
    }
    this.#state = 'open';
    this.#ready();
    this.#send();
  }

  #refused(reason: number, description: string): void {
    this.#gone();
    const { key } = this.#host;
    const prohibited = reason === PROHIBITED;
    const why = prohibited ? `it allows no forwarding (sshd's AllowTcpForwarding, PermitOpen)` : 'it cannot connect';
    const message = `${key} does not reach ${this.#to}: ${why}${description === '' ? '' : ` (${printable(description)})`}`;
    this.#notReady(new KeylaneError('ERR_CONNECT', message, { key: this.#to, retryable: !prohibited }));
    this.destroy();
  }

  #received(data: Buffer): void {
    this.#window -= data.length;
    if (this.#window < 0) {
      const { key } = this.#host;
      this.#host.destroy(new KeylaneError('ERR_PROTOCOL', `${key} sent more than the window allows`, { key }));
      return;
    }
    if (this.#state !== 'open') return;
    this.bytesRead += data.length;
    this.#used += data.length;
    if (this.push(data)) this._read();
  }

  #granted(bytes: number): void {
    this.#credit += bytes;
    this.#send();
  }

  #closedByPeer(): void {
    if (this.#state !== 'closing') this.#host.transport.channelClose(this.#peer);
    this.#gone();
    this.destroy();
  }

  // What who uses the stream wants: Duplex.

  override _read(): void {
    if (this.#used < WINDOW / 2 || this.#state !== 'open') return;
    const used = this.#used;
    this.#used = 0;
    this.#window += used;
    this.#host.transport.channelWindowAdjust(this.#peer, used);
  }

  override _write(data: Buffer, _encoding: BufferEncoding, sent: () => void): void {
    this.#left = data;
    this.#sent = sent;
    this.#send();
  }

  /** The packets of one turn go out as few: each is encrypted for itself. */
  override _writev(pieces: { chunk: Buffer }[], sent: () => void): void {
    const [first] = pieces;
    this.#left = pieces.length === 1 && first ? first.chunk : Buffer.concat(pieces.map(({ chunk }) => chunk));
    this.#sent = sent;
    this.#send();
  }

  override _final(done: () => void): void {
    if (this.#state === 'open') this.#host.transport.channelEOF(this.#peer);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#left = undefined;
    this.#sent = undefined;
    // One that is still opening is closed when it is open: there is no other way to take it back.
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#host.transport.channelClose(this.#peer);
    }
    done(error);
  }

  readonly #readOn = (): void => {
    this.#waits = false;
    this.#send();
  };

  #send(): void {
    if (this.#state !== 'open' || this.#waits) return;
    let left = this.#left;
    if (left && left.length > 0 && this.#host.pressure.tooMuch(this.#readOn)) {
      this.#waits = true;
      return;
    }
    while (left && left.length > 0 && this.#credit > 0) {
      const length = Math.min(left.length, this.#credit, this.#packet);
      this.#credit -= length;
      this.bytesWritten += length;
      this.#host.transport.channelData(this.#peer, length === left.length ? left : left.subarray(0, length));
      left = left.subarray(length);
    }
    this.#left = left;
    if (left && left.length > 0) return;
    const sent = this.#sent;
    this.#left = undefined;
    this.#sent = undefined;
    sent?.();
  }

  #gone(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#host.removed(this);
  }
}

/** SSH_OPEN_ADMINISTRATIVELY_PROHIBITED */
const PROHIBITED = 1;
