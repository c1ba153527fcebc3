import type { Forwarded, Transport } from '../transport.js';

const OPEN = 90;
const WINDOW_ADJUST = 93;
const DATA = 94;
const END = 96;
const CLOSE = 97;
const REQUEST = 98;
const FAILURE = 100;

/** Writes channel messages (RFC 4254) as a master of `ssh` takes them: length, padding length 0, type, content. */
export class MuxTransport implements Transport {
  readonly #write: (packet: Buffer) => void;

  constructor(write: (packet: Buffer) => void) {
    this.#write = write;
  }

  session(channel: number, window: number, packetSize: number): void {
    this.#send(OPEN, ['session', channel, window, packetSize]);
  }

  directTcpip(channel: number, window: number, packetSize: number, where: Forwarded): void {
    const { dstIP, dstPort, srcIP, srcPort } = where;
    this.#send(OPEN, ['direct-tcpip', channel, window, packetSize, dstIP, dstPort, srcIP, srcPort]);
  }

  env(channel: number, name: string, value: string, wantReply: boolean): void {
    this.#send(REQUEST, [channel, 'env', wantReply, name, value]);
  }

  pty(
    channel: number,
    rows: number,
    columns: number,
    height: number,
    width: number,
    term: string,
    _modes: undefined,
    wantReply: boolean,
  ): void {
    // Modes: none, which is one TTY_OP_END.
    this.#send(REQUEST, [channel, 'pty-req', wantReply, term, columns, rows, width, height, '\0']);
  }

  exec(channel: number, command: string, wantReply: boolean): void {
    this.#send(REQUEST, [channel, 'exec', wantReply, command]);
  }

  /** What the server opens to the agent then, the master takes for itself. */
  openssh_agentForward(channel: number, wantReply: boolean): void {
    this.#send(REQUEST, [channel, 'auth-agent-req@openssh.com', wantReply]);
  }

  subsystem(channel: number, name: string, wantReply: boolean): void {
    this.#send(REQUEST, [channel, 'subsystem', wantReply, name]);
  }

  signal(channel: number, name: string): void {
    this.#send(REQUEST, [channel, 'signal', false, name]);
  }

  channelData(channel: number, data: Buffer): void {
    this.#send(DATA, [channel, data]);
  }

  channelEOF(channel: number): void {
    this.#send(END, [channel]);
  }

  channelClose(channel: number): void {
    this.#send(CLOSE, [channel]);
  }

  channelWindowAdjust(channel: number, bytes: number): void {
    this.#send(WINDOW_ADJUST, [channel, bytes]);
  }

  channelFailure(channel: number): void {
    this.#send(FAILURE, [channel]);
  }

  /** Global requests stay with the master: it answers the server's, and asks for signs of life itself. */
  requestFailure(): void {}

  ping(): void {}

  #send(type: number, fields: readonly (number | boolean | string | Buffer)[]): void {
    const content = Buffer.concat([Buffer.from([0, type]), ...fields.map(field)]);
    this.#write(Buffer.concat([field(content.length), content]));
  }
}

function field(value: number | boolean | string | Buffer): Buffer {
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0]);
  if (typeof value === 'number') {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(value);
    return bytes;
  }
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([field(bytes.length), bytes]);
}
