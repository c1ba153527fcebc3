import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../src/util/clock.js';
import type { CutBy, Direction, Fault } from './proxy-fault.js';
import { Flow } from './proxy-flow.js';
import { Timers } from './proxy-timers.js';

export interface ProxyConnectionOptions {
  to: { host: string; port: number };
  fault: Fault;
  clock: Clock;
  random: () => number;
  /** Remembers what has been let through. */
  keeps: boolean;
}

/** A client's connection to the proxy, joined with one to the server. */
export class ProxyConnection {
  /** Resolves when the cut has been made, by plan or by `cut`. */
  readonly wasCut: Promise<void>;
  /** Resolves when both its sockets are closed. */
  readonly ended: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #flows: Partial<Record<Direction, Flow>> = {};
  readonly #timers: Timers;
  #fault: Fault;
  #isCut = false;
  #tellCut: () => void = () => {};

  constructor(client: Socket, options: ProxyConnectionOptions) {
    const { fault, to, clock } = options;
    this.#client = client;
    this.#fault = fault;
    this.#timers = new Timers(clock);
    this.wasCut = new Promise((resolve) => {
      this.#tellCut = resolve;
    });
    client.on('error', () => {});
    if (fault.accept !== undefined) {
      if (fault.accept === 'rst') client.resetAndDestroy();
      else client.resume();
      this.ended = closed(client);
      return;
    }
    const server = connect({ ...to, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    this.ended = Promise.all([closed(client), closed(server)]).then(() => {});
    this.#flows = { up: this.#join('up', client, server, options), down: this.#join('down', server, client, options) };
    server.on('error', () => this.#isCut || reset(client));
    client.on('close', () => this.#isCut || server.destroy());
    if (fault.healAfterMs !== undefined) this.#timers.set(fault.healAfterMs, () => this.heal());
    if (fault.cut?.after === 0) this.cut(fault.cut.by);
  }

  /** What has been let through. */
  bytes(direction: Direction): Buffer {
    return Buffer.concat(this.#flows[direction]?.passed ?? []);
  }

  /** How long each piece was that has been let through. */
  pieces(direction: Direction): number[] {
    return this.#flows[direction]?.passed.map(({ length }) => length) ?? [];
  }

  /** How many bytes have been let through. */
  count(direction: Direction): number {
    return this.#flows[direction]?.count ?? 0;
  }

  /** Cuts now. The second cut of a connection does nothing. */
  cut(by: CutBy): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.#timers.cancel();
    for (const socket of this.#sockets()) {
      if (by === 'fin') socket.end();
      if (by === 'rst') reset(socket);
      // Whatever still comes is read and dropped: a sender that is not read would notice its full buffer.
      socket.resume();
    }
    this.#tellCut();
  }

  /** From now on a plain relay: what was held back goes on its way, a cut that was to come does not. */
  heal(): void {
    // With the last bytes before it on their way the cut is as good as made.
    if (this.#over()) return;
    this.#fault = {};
    for (const flow of Object.values(this.#flows)) flow.heal();
  }

  /** Ends both sides, whatever their state. */
  async destroy(): Promise<void> {
    this.#isCut = true;
    this.#timers.cancel();
    await Promise.all(
      this.#sockets().map((socket) => {
        const closed = socket.closed ? undefined : once(socket, 'close');
        socket.destroy();
        return closed;
      }),
    );
  }

  #sockets(): Socket[] {
    return this.#server === undefined ? [this.#client] : [this.#client, this.#server];
  }

  #join(direction: Direction, from: Socket, to: Socket, options: ProxyConnectionOptions): Flow {
    const { fault, clock, random, keeps } = options;
    const cut = () => this.cut(fault.cut?.by ?? 'rst');
    const over = () => this.#over();
    return new Flow({ direction, from, to, fault, clock, random, timers: this.#timers, keeps, over, cut });
  }

  /** Cut, or about to be: the last bytes are on their way. After an `end` no reset could be sent any more. */
  #over(): boolean {
    const { cut } = this.#fault;
    return this.#isCut || (cut !== undefined && this.count(cut.direction) >= cut.after);
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** No reset after an `end`: the kernel's connection cannot do both, and Node forgets the one where it fails (a leaked fd). */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
