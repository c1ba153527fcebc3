import type { Client } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';

/**
 * The private parts of ssh2 1.17 that this driver stands on, all of them here; test/unit/ssh/transport.test.ts fails if
 * an upgrade takes one away.
 *
 * ssh2 does the transport and the log-in. Its channels are left out: they ignore the receive window, drop a signal after
 * end of file, answer no request after the exit status, mistake a lost reply for a refusal (ssh2 #1505, #1510) and cost
 * two streams and 15 closures for each command. So the messages of our channels go to Session (RFC 4254 in 200 lines),
 * and those of any other channel to ssh2 as before.
 */
export interface Transport {
  session(channel: number, window: number, packetSize: number): void;
  env(channel: number, name: string, value: string, wantReply: boolean): void;
  pty(
    channel: number,
    rows: number,
    columns: number,
    height: number,
    width: number,
    term: string,
    modes: undefined,
    wantReply: boolean,
  ): void;
  exec(channel: number, command: string, wantReply: boolean): void;
  subsystem(channel: number, name: string, wantReply: boolean): void;
  openssh_agentForward(channel: number, wantReply: boolean): void;
  directTcpip(channel: number, window: number, packetSize: number, where: Forwarded): void;
  signal(channel: number, name: string): void;
  channelData(channel: number, data: Buffer): void;
  channelEOF(channel: number): void;
  channelClose(channel: number): void;
  channelWindowAdjust(channel: number, bytes: number): void;
  channelFailure(channel: number): void;
  requestFailure(): void;
  ping(): void;
}

/** A TCP connection that the server is to make (RFC 4254, 7.2), and where it is said to come from. */
export interface Forwarded {
  dstIP: string;
  dstPort: number;
  srcIP: string;
  srcPort: number;
}

/** What the messages of one channel are told to. None of these may throw: ssh2 would end the connection. */
export interface ChannelPeer {
  opened(channel: number, window: number, packetSize: number): void;
  refused(reason: number, description: string): void;
  replied(ok: boolean): void;
  received(data: Buffer, stderr: boolean): void;
  granted(bytes: number): void;
  requested(type: string, wantReply: boolean, data: unknown): void;
  ended(): void;
  closed(): void;
}

/** A client of ssh2, or what stands in for one. */
export interface ChannelClient {
  /** Ends the connection politely. */
  end(): unknown;
}

interface Internals {
  _protocol: Transport & { _handlers: Handlers };
  _chanMgr: { add(value: unknown): number; remove(channel: number): void };
  /** Who waits for the replies to global requests, in their order. */
  _callbacks: (() => void)[];
}

// biome-ignore lint/suspicious/noExplicitAny: each message has its own arguments
type Handlers = Record<string, ((protocol: unknown, ...rest: any[]) => void) | undefined>;

const METHODS = [
  'session',
  'env',
  'pty',
  'exec',
  'subsystem',
  'openssh_agentForward',
  'directTcpip',
  'signal',
  'channelData',
  'channelEOF',
  'channelClose',
  'channelWindowAdjust',
  'channelFailure',
  'requestFailure',
  'ping',
] as const satisfies readonly (keyof Transport)[];

const MESSAGES = [
  'CHANNEL_OPEN_CONFIRMATION',
  'CHANNEL_OPEN_FAILURE',
  'CHANNEL_SUCCESS',
  'CHANNEL_FAILURE',
  'CHANNEL_DATA',
  'CHANNEL_EXTENDED_DATA',
  'CHANNEL_WINDOW_ADJUST',
  'CHANNEL_REQUEST',
  'CHANNEL_EOF',
  'CHANNEL_CLOSE',
  'GLOBAL_REQUEST',
] as const;

/** A place in ssh2's table of channels that ssh2 itself takes for closed, so it leaves it alone. */
const TAKEN = Object.freeze({ incoming: Object.freeze({ state: 'closed' }) });
const STDERR = 1;
/** Of 0 bytes nothing could ever be sent, and of a few a long input would keep the thread for minutes. */
const LEAST_PACKET = 256;

/** Channels of our own on a client of ssh2, whose `connect` must have been called. */
export class Channels {
  readonly transport: Transport;
  readonly #internals: Internals;
  /** By channel: small numbers, used again. */
  readonly #peers: (ChannelPeer | undefined)[] = [];

  constructor(client: ChannelClient) {
    this.#internals = internalsOf(client);
    this.transport = this.#internals._protocol;
    this.#listen(this.#internals._protocol._handlers);
  }

  /** Gives a channel number; its messages go to the peer until `remove`. */
  add(peer: ChannelPeer): number {
    const channel = this.#internals._chanMgr.add(TAKEN);
    this.#peers[channel] = peer;
    return channel;
  }

  remove(channel: number): void {
    this.#peers[channel] = undefined;
    this.#internals._chanMgr.remove(channel);
  }

  /** Asks the server for a sign of life, and tells when it gives one. */
  ping(answered: () => void = nothing): void {
    // Replies to global requests carry no number, so each has to be waited for in its turn.
    this.#internals._callbacks.push(answered);
    this.transport.ping();
  }

  #listen(handlers: Handlers): void {
    const peers = this.#peers;
    // Three arguments at most: gathering the rest of them would make an array a message.
    // biome-ignore lint/suspicious/noExplicitAny: each message has its own arguments
    const take = (message: (typeof MESSAGES)[number], tell: (peer: ChannelPeer, a: any, b: any, c: any) => void) => {
      const theirs = handlers[message];
      handlers[message] = (protocol, channel: number, a, b, c) => {
        const peer = peers[channel];
        if (peer) tell(peer, a, b, c);
        else theirs?.(protocol, channel, a, b, c);
      };
    };
    take('CHANNEL_OPEN_FAILURE', (peer, reason: number, description: string) => peer.refused(reason, description));
    take('CHANNEL_SUCCESS', (peer) => peer.replied(true));
    take('CHANNEL_FAILURE', (peer) => peer.replied(false));
    take('CHANNEL_DATA', (peer, data: Buffer) => peer.received(data, false));
    take('CHANNEL_EXTENDED_DATA', (peer, data: Buffer, type: number) => peer.received(data, type === STDERR));
    take('CHANNEL_WINDOW_ADJUST', (peer, bytes: number) => peer.granted(bytes));
    take('CHANNEL_REQUEST', (peer, type: string, wantReply: boolean, data: unknown) =>
      peer.requested(type, wantReply, data),
    );
    take('CHANNEL_EOF', (peer) => peer.ended());
    take('CHANNEL_CLOSE', (peer) => peer.closed());
    const confirmed = handlers.CHANNEL_OPEN_CONFIRMATION;
    handlers.CHANNEL_OPEN_CONFIRMATION = (protocol, info: Confirmation) => {
      const peer = peers[info.recipient];
      if (peer && info.packetSize < LEAST_PACKET) {
        const message = `the server takes packets of ${info.packetSize} bytes only: no SSH server is like that`;
        throw new KeylaneError('ERR_PROTOCOL', message, { outcome: 'not_started', retryable: false });
      }
      if (peer) peer.opened(info.sender, info.window, info.packetSize);
      else confirmed?.(protocol, info);
    };
    const asked = handlers.GLOBAL_REQUEST;
    handlers.GLOBAL_REQUEST = (protocol, name: string, wantReply: boolean, data: unknown) => {
      // sshd tells all its host keys after each log-in, and ssh2 would have it prove them: a signature to verify for
      // each, for an event that nobody reads.
      if (name !== 'hostkeys-00@openssh.com') asked?.(protocol, name, wantReply, data);
      else if (wantReply) this.transport.requestFailure();
    };
  }
}

/**
 * Tells what the server says to each refused log-in, before ssh2 asks the authHandler: for a key of an agent ssh2 does
 * not pass it on.
 */
export function onRefusedAuth(client: Client, call: (methodsLeft: string[], partial: boolean) => void): void {
  const { _handlers } = (client as unknown as Partial<Internals>)._protocol ?? {};
  const theirs = _handlers?.USERAUTH_FAILURE;
  if (!_handlers || !theirs) throw new Error('this version of ssh2 lacks USERAUTH_FAILURE');
  _handlers.USERAUTH_FAILURE = (protocol, methodsLeft: string[], partial: boolean) => {
    call(methodsLeft, partial);
    theirs(protocol, methodsLeft, partial);
  };
}

/** Lets the server open channels to our agent, which ssh2 serves once a command of its own has asked for it. */
export function acceptAgentChannels(client: Client): void {
  const inside = client as unknown as { _agentFwdEnabled?: boolean };
  if (inside._agentFwdEnabled === undefined) throw new Error('this version of ssh2 lacks _agentFwdEnabled');
  inside._agentFwdEnabled = true;
}

interface Confirmation {
  recipient: number;
  sender: number;
  window: number;
  packetSize: number;
}

function internalsOf(client: ChannelClient): Internals {
  const { _protocol, _chanMgr, _callbacks } = client as unknown as Partial<Internals>;
  const missing = [
    ...METHODS.filter((name) => typeof _protocol?.[name] !== 'function'),
    ...MESSAGES.filter((name) => typeof _protocol?._handlers?.[name] !== 'function'),
    ...(typeof _chanMgr?.add === 'function' && typeof _chanMgr.remove === 'function' ? [] : ['_chanMgr']),
    ...(Array.isArray(_callbacks) ? [] : ['_callbacks']),
  ];
  if (missing.length > 0) throw new Error(`this version of ssh2 lacks ${missing.join(', ')}`);
  return client as unknown as Internals;
}

function nothing(): void {}
