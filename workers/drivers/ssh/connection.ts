import { KeylaneError } from '../../../src/errors.js';
import type { ExecOrder, SshTarget } from '../../../src/specs/ssh.js';
import type { SshProbe, SshResponse } from '../../../src/ssh-types.js';
import { type ExecuteContext, type Stopped, StreamsExceeded } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { Deadlines } from '../../../src/util/deadlines.js';
import { Keepalive, type KeepaliveHost } from './keepalive.js';
import type { KexFacts } from './kex-facts.js';
import { OwnContext } from './own-context.js';
import { Pressure } from './pressure.js';
import { sessionsAtOnce } from './quirks.js';
import { Session } from './session.js';
import type { SessionHost, SudoOf } from './session-host.js';
import { Slots } from './slots.js';
import { Subsystem, type SubsystemHost, type SubsystemUser } from './subsystem.js';
import { Sweep } from './sweep.js';
import { type ChannelClient, Channels, type Transport } from './transport.js';
import { Tunnel, type TunnelHost } from './tunnel.js';
import type { Wire } from './wire.js';

/** What a polite end gets before the socket is destroyed. */
const CLOSE_MS = 1_000;
/** What it may take to stop what a command has started: less than the shard gives a driver to end a request. */
const SWEEP_MS = 1_500;

/**
 * One authenticated connection.
 *
 *     open ──▶ retired ──▶ closing ──▶ closed
 *
 * open      takes commands
 * retired   runs what it has and takes no more
 * closing   DISCONNECT is sent
 * closed    the socket is destroyed; every command has been settled
 */
export type SshConnectionState = 'open' | 'retired' | 'closing' | 'closed';

export class SshConnection implements SessionHost, TunnelHost, SubsystemHost, KeepaliveHost {
  state: SshConnectionState = 'open';
  readonly key: string;
  readonly transport: Transport;
  readonly answerMs: number;
  readonly forwardAgent: boolean;
  readonly pressure: Pressure;
  /** What the key exchange has settled. */
  readonly facts: KexFacts | undefined;
  readonly slots = new Slots();
  /** Resolves when the socket is closed. */
  readonly gone: Promise<void>;
  readonly #target: SshTarget;
  readonly #atOnce: number;
  readonly #client: ChannelClient;
  readonly #socket: Wire;
  readonly clock: Clock;
  readonly channels: Channels;
  /** Who does the protocol below the channels. */
  get by(): SshTarget['transport'] {
    return this.#target.transport;
  }
  /** How the log-in went, for `probe`. */
  logIn: Pick<SshProbe, 'hostKey' | 'tries'> | undefined = undefined;
  readonly #lost: (error: Error) => void;
  /** In no order. A Set would leave garbage behind each command. */
  readonly #sessions: Session[] = [];
  readonly #tunnels = new Set<Tunnel>();
  readonly #subsystems = new Set<Subsystem>();
  readonly #deadlines: Deadlines<Session>;
  readonly #keepalive: Keepalive;
  #outlived = 0;

  /** Of a client that is logged in; whoever made it tells `end` what becomes of the socket. */
  constructor(
    client: ChannelClient,
    socket: Wire,
    key: string,
    target: SshTarget,
    clock: Clock,
    lost: (error: Error) => void,
    facts?: KexFacts,
  ) {
    this.facts = facts;
    this.key = key;
    this.#target = target;
    this.#atOnce = Math.min(target.streams, sessionsAtOnce(facts?.software));
    this.#client = client;
    this.#socket = socket;
    this.clock = clock;
    this.#lost = lost;
    this.channels = new Channels(client);
    this.transport = this.channels.transport;
    this.pressure = new Pressure(client, socket);
    this.answerMs = target.connectTimeoutMs;
    this.forwardAgent = target.forwardAgent !== undefined;
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()));
    this.#deadlines = new Deadlines<Session>(
      clock,
      () => this.#sessions,
      (session) => session.overdue(),
    );
    this.#keepalive = new Keepalive(this, target, clock);
  }

  /** Runs a command. */
  exec(order: ExecOrder, context: ExecuteContext): Promise<SshResponse> {
    const { sudo } = order;
    return sudo ? this.#execBySudo(sudo, order, context) : this.#exec(order, context);
  }

  async #execBySudo(
    sudo: NonNullable<ExecOrder['sudo']>,
    order: ExecOrder,
    context: ExecuteContext,
  ): Promise<SshResponse> {
    const password = sudo.password === undefined ? undefined : await context.ask('secret', sudo.password);
    return this.#exec(order, context, { user: sudo.user, password });
  }

  #exec(order: ExecOrder, context: ExecuteContext, sudo?: SudoOf): Promise<SshResponse> {
    if (this.state !== 'open' && this.state !== 'retired') return Promise.reject(this.#notStarted());
    if (context.aborted) return Promise.reject(context.aborted);
    if (this.#pending() >= this.#atOnce) return Promise.reject(new StreamsExceeded(this.#atOnce));
    return this.#start(new Session(this, order, context, sudo));
  }

  /** Sessions that somebody waits for. */
  #pending(): number {
    let pending = 0;
    for (const session of this.#sessions) if (session.pending) pending++;
    for (const { state } of this.#subsystems) if (state !== 'closing') pending++;
    return pending;
  }

  #start(session: Session): Promise<SshResponse> {
    this.#sessions.push(session);
    session.open(this.channels.add(session));
    return session.result;
  }

  /** Starts a subsystem; `user` gets what it writes. Throws `StreamsExceeded` where there are too many sessions. */
  subsystem(name: string, user: SubsystemUser): Subsystem {
    if (this.#pending() >= this.#atOnce) throw new StreamsExceeded(this.#atOnce);
    const subsystem = new Subsystem(this, name, user);
    if (this.state !== 'open' && this.state !== 'retired') {
      subsystem.cut(this.#notStarted());
      return subsystem;
    }
    this.#subsystems.add(subsystem);
    subsystem.open(this.channels.add(subsystem));
    return subsystem;
  }

  /** A way through this host to another; not yet open. The one who asked keeps a stream of this connection for as long. */
  tunnel(address: { host: string; port: number }, to: string): Tunnel {
    const tunnel = new Tunnel(this, to);
    if (this.state !== 'open' && this.state !== 'retired') {
      tunnel.cut(this.#notStarted());
      return tunnel;
    }
    this.#tunnels.add(tunnel);
    tunnel.open(this.channels.add(tunnel.peer), address);
    return tunnel;
  }

  /**
   * Is the server still there? Resolves with true if it was heard within the time, or once it has answered; a server that
   * is silent leaves it pending. A master of `ssh` asks its server itself, and ends when there is no answer.
   */
  check(withinMs: number): Promise<boolean> {
    if (this.by === 'openssh' || this.state !== 'open') return Promise.resolve(this.state === 'open');
    return this.#keepalive.check(withinMs);
  }

  /** Ends it politely; resolves when the socket is closed, by force if need be. */
  async close(): Promise<void> {
    if (this.state === 'open' || this.state === 'retired') {
      this.state = 'closing';
      this.#keepalive.stop();
      this.#client.end();
    }
    const timer = this.clock.timer(CLOSE_MS, () => this.end(this.#lostError('was closed')));
    await this.gone;
    timer.cancel();
  }

  /** The socket is closed, or of no more use: destroys it and settles every command. Idempotent. */
  end(error: KeylaneError): void {
    if (this.state === 'closed') return;
    const wanted = this.state === 'closing';
    this.state = 'closed';
    this.#keepalive.stop();
    this.#deadlines.stop();
    this.#socket.destroy();
    const pending = this.#pending();
    for (const session of [...this.#sessions]) session.cut(error);
    for (const tunnel of [...this.#tunnels]) tunnel.cut(error);
    for (const subsystem of [...this.#subsystems]) subsystem.cut(error);
    if (pending === 0 && !wanted) this.#lost(error);
  }

  // What follows is for its keepalive, and for its sessions: KeepaliveHost.

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  ping(answered?: () => void): void {
    // A master of `ssh` takes no question for its server, and asks itself.
    if (this.by === 'openssh') answered?.();
    else this.channels.ping(answered);
  }

  silent(ms: number): void {
    this.end(this.#lostError(`gave no sign of life for ${ms} ms`));
  }

  // What follows is for its sessions: SessionHost.

  now(): number {
    return this.clock.now();
  }

  watch(dueAt: number): void {
    this.#deadlines.watch(dueAt);
  }

  count(): { running: number; lingering: number } {
    let running = 0;
    let lingering = this.#outlived;
    for (const { state } of this.#subsystems) {
      if (state === 'closing') lingering++;
      else if (state !== 'opening') running++;
    }
    for (const { state } of this.#sessions) {
      if (state === 'closing') lingering++;
      else if (state !== 'opening' && state !== 'abandoned') running++;
    }
    return { running, lingering };
  }

  outlived(): void {
    this.#outlived++;
  }

  retire(): void {
    if (this.state === 'open') this.state = 'retired';
  }

  destroy(error: KeylaneError): void {
    this.end(error);
  }

  reopen(peer: Session | Subsystem): void {
    this.channels.remove(peer.channel);
    peer.open(this.channels.add(peer));
  }

  async sweep(sweep: Sweep, sudo: SudoOf | undefined): Promise<Stopped> {
    if (this.state !== 'open' && this.state !== 'retired') return 'unknown';
    const order: ExecOrder = { op: 'exec', command: sweep.script, maxOutputBytes: 100, encoding: 'utf8' };
    if (sudo) order.sudo = { user: sudo.user };
    const context = new OwnContext();
    const timer = this.clock.timer(SWEEP_MS, () => context.abort());
    try {
      const { stdout } = await this.#start(new Session(this, order, context, sudo));
      return Sweep.read(stdout as string);
    } catch {
      return 'unknown';
    } finally {
      timer.cancel();
    }
  }

  removed(peer: Session | Tunnel | Subsystem): void {
    if (peer instanceof Tunnel) this.#tunnels.delete(peer);
    else if (peer instanceof Subsystem) this.#subsystems.delete(peer);
    else this.#forget(peer);
    this.channels.remove(peer.channel);
  }

  #forget(session: Session): void {
    const at = this.#sessions.indexOf(session);
    const last = this.#sessions.pop() as Session;
    if (session !== last) this.#sessions[at] = last;
  }

  #lostError(what: string): KeylaneError {
    return new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${this.key} ${what}`, { key: this.key });
  }

  #notStarted(): KeylaneError {
    return new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${this.key} is closed`, {
      outcome: 'not_started',
      key: this.key,
    });
  }
}
