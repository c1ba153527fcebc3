import type { Wire } from '../wire.js';
import { Frames } from './frames.js';
import { MuxTransport } from './mux-transport.js';

// biome-ignore lint/suspicious/noExplicitAny: each message has its own arguments
type Handlers = Record<string, (protocol: unknown, ...rest: any[]) => void>;

/** By their numbers (RFC 4254); the master keeps all others to itself. */
const MESSAGES: Readonly<Record<number, string>> = {
  91: 'CHANNEL_OPEN_CONFIRMATION',
  92: 'CHANNEL_OPEN_FAILURE',
  93: 'CHANNEL_WINDOW_ADJUST',
  94: 'CHANNEL_DATA',
  95: 'CHANNEL_EXTENDED_DATA',
  96: 'CHANNEL_EOF',
  97: 'CHANNEL_CLOSE',
  98: 'CHANNEL_REQUEST',
  99: 'CHANNEL_SUCCESS',
  100: 'CHANNEL_FAILURE',
};

/**
 * Stands where a client of ssh2 stands, as far as Channels knows it, and speaks to a master of `ssh`: the master has the
 * connection and the log-in, we have our channels. So the outcome of a command comes from the server's `exit-status` or
 * `exit-signal` here too, and not from the exit code of a child, where 255 may mean anything.
 */
export class MuxClient {
  readonly _protocol: MuxTransport & { _handlers: Handlers };
  readonly _chanMgr: { add(value: unknown): number; remove(channel: number): void };
  readonly _callbacks: (() => void)[] = [];
  readonly #finish: () => void;

  /** `finish` ends the master; `broken` is told of a message that cannot be read. */
  constructor(socket: Wire, finish: () => void, broken: (error: Error) => void) {
    this.#finish = finish;
    const handlers: Handlers = { GLOBAL_REQUEST: nothing };
    for (const name of Object.values(MESSAGES)) handlers[name] = nothing;
    const transport = new MuxTransport((packet) => socket.write(packet));
    this._protocol = Object.assign(transport, { _handlers: handlers });
    this._chanMgr = channelNumbers();
    const frames = new Frames();
    socket.on('data', (data: Buffer) => {
      try {
        for (const frame of frames.add(data)) this.#take(frame);
      } catch (error) {
        broken(error as Error);
      }
    });
  }

  end(): void {
    this.#finish();
  }

  #take(packet: Buffer): void {
    // Padding length, type.
    const name = MESSAGES[packet.readUInt8(1)];
    const handle = name === undefined ? undefined : this._protocol._handlers[name];
    if (handle === undefined) return;
    const fields = new Fields(packet);
    const recipient = fields.number();
    switch (name) {
      case 'CHANNEL_OPEN_CONFIRMATION':
        handle(this, { recipient, sender: fields.number(), window: fields.number(), packetSize: fields.number() });
        return;
      case 'CHANNEL_OPEN_FAILURE':
        handle(this, recipient, fields.number(), fields.bytes().toString('utf8'));
        return;
      case 'CHANNEL_WINDOW_ADJUST':
        handle(this, recipient, fields.number());
        return;
      case 'CHANNEL_DATA':
        handle(this, recipient, fields.bytes());
        return;
      case 'CHANNEL_EXTENDED_DATA': {
        const type = fields.number();
        handle(this, recipient, fields.bytes(), type);
        return;
      }
      case 'CHANNEL_REQUEST': {
        const type = fields.bytes().toString('latin1');
        handle(this, recipient, type, fields.flag(), detailOf(type, fields));
        return;
      }
      default:
        handle(this, recipient);
    }
  }
}

function detailOf(type: string, fields: Fields): unknown {
  if (type === 'exit-status') return fields.number();
  if (type === 'exit-signal') return { signal: fields.bytes().toString('latin1') };
  return undefined;
}

/** Reads a packet from left to right; throws at its end. */
class Fields {
  readonly #packet: Buffer;
  #at = 2;

  constructor(packet: Buffer) {
    this.#packet = packet;
  }

  number(): number {
    const value = this.#packet.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  flag(): boolean {
    return this.#packet.readUInt8(this.#at++) !== 0;
  }

  bytes(): Buffer {
    const length = this.number();
    const end = this.#at + length;
    if (end > this.#packet.length) throw new Error('a message that is cut');
    const value = this.#packet.subarray(this.#at, end);
    this.#at = end;
    return value;
  }
}

/** The lowest number that is free. */
function channelNumbers(): MuxClient['_chanMgr'] {
  const free: number[] = [];
  let next = 0;
  return {
    add: () => free.pop() ?? next++,
    remove: (channel) => {
      free.push(channel);
    },
  };
}

function nothing(): void {}
