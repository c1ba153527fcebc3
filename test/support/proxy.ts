import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../../src/util/clock.js';
import { portOf } from './ports.js';
import type { Random } from './seed.js';

/** Seen from the client: `up` to the server, `down` from it. */
export type Direction = 'up' | 'down';

/** `fin` both ends see an orderly end, `rst` a reset, `blackhole` nothing ever again: what is sent is swallowed. */
export type CutBy = 'fin' | 'rst' | 'blackhole';

/** What goes wrong on one connection. Without anything it is a plain relay. */
export interface Fault {
  /** Cuts as soon as `after` bytes have passed in that direction; not one more goes through. 0 cuts at once. */
  cut?: { after: number; direction: Direction; by: CutBy };
  /** `mute` takes the connection and never says a word, `rst` resets it on arrival. The server sees neither. */
  accept?: 'mute' | 'rst';
  /** Holds every piece back so long, in both directions. */
  delayMs?: number;
}

export interface ProxyOptions {
  to: { host: string; port: number };
  /** For every connection, or for each by its number from 0. */
  fault?: Fault | ((connection: number) => Fault);
  /** Loopback address to listen on. @default '127.0.0.1' */
  address?: string;
  /** For `delayMs`. */
  clock?: Clock;
}

/** A cut at a random place of an exchange that is known to be so many bytes long. */
export function randomCut(random: Random, length: Record<Direction, number>): NonNullable<Fault['cut']> {
  const direction = random.pick<Direction>(['up', 'down']);
  return { direction, after: random.below(length[direction]), by: random.pick<CutBy>(['fin', 'rst', 'blackhole']) };
}

export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.accept();
  return proxy;
}

/** Stands between a client and a server and hurts their connection at a chosen byte. */
export class FaultProxy implements AsyncDisposable {
  readonly address: string;
  /** All so far, in the order of their arrival. */
  readonly connections: ProxyConnection[] = [];
  fault: Fault | ((connection: number) => Fault);
  readonly #options: ProxyOptions;
  #port = 0;
  #server: Server | undefined = undefined;
  #waiting: ((connection: ProxyConnection) => void)[] = [];

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.address = options.address ?? '127.0.0.1';
    this.fault = options.fault ?? {};
  }

  get port(): number {
    return this.#port;
  }

  /** Listens; after `refuse` on the same port again. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#relay(client));
    this.#server = server;
    server.listen(this.#port, this.address);
    await once(server, 'listening');
    this.#port = portOf(server);
  }

  /** New connections are refused from now on; those there are stay. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** The next connection that comes. */
  next(): Promise<ProxyConnection> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<void> {
    this.refuse();
    await Promise.all(this.connections.map((connection) => connection.destroy()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #relay(client: Socket): void {
    const number = this.connections.length;
    const fault = typeof this.fault === 'function' ? this.fault(number) : this.fault;
    const clock = this.#options.clock ?? systemClock;
    const connection = new ProxyConnection(client, this.#options.to, fault, clock);
    this.connections.push(connection);
    for (const resolve of this.#waiting.splice(0)) resolve(connection);
  }
}

export class ProxyConnection {
  /** Resolves when the cut has been made, by plan or by `cut`. */
  readonly wasCut: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #fault: Fault;
  readonly #clock: Clock;
  readonly #passed: Record<Direction, Buffer[]> = { up: [], down: [] };
  readonly #counts: Record<Direction, number> = { up: 0, down: 0 };
  #isCut = false;
  #tellCut: () => void = () => {};

  constructor(client: Socket, to: { host: string; port: number }, fault: Fault, clock: Clock) {
    this.#client = client;
    this.#fault = fault;
    this.#clock = clock;
    this.wasCut = new Promise((resolve) => {
      this.#tellCut = resolve;
    });
    client.on('error', () => {});
    if (fault.accept !== undefined) {
      if (fault.accept === 'rst') client.resetAndDestroy();
      else client.resume();
      return;
    }
    const server = connect({ ...to, allowHalfOpen: true, noDelay: true });
    this.#server = server;
    this.#join('up', client, server);
    this.#join('down', server, client);
    server.on('error', () => this.#isCut || reset(client));
    client.on('close', () => this.#isCut || server.destroy());
    if (fault.cut?.after === 0) this.cut(fault.cut.by);
  }

  /** What has been let through. */
  bytes(direction: Direction): Buffer {
    return Buffer.concat(this.#passed[direction]);
  }

  /** How many bytes have been let through. */
  count(direction: Direction): number {
    return this.#counts[direction];
  }

  /** Cuts now. The second cut of a connection does nothing. */
  cut(by: CutBy): void {
    if (this.#isCut) return;
    this.#isCut = true;
    for (const socket of this.#sockets()) {
      if (by === 'fin') socket.end();
      if (by === 'rst') reset(socket);
      // Whatever still comes is read and dropped: a sender that is not read would notice its full buffer.
      socket.resume();
    }
    this.#tellCut();
  }

  /** Ends both sides, whatever their state. */
  async destroy(): Promise<void> {
    this.#isCut = true;
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

  #join(direction: Direction, from: Socket, to: Socket): void {
    from.on('data', (data: Buffer) => this.#after(() => this.#pass(direction, data, from, to)));
    from.on('end', () => this.#after(() => this.#over() || to.end()));
  }

  /** Equal delays keep the order: timers of one length fire as they were set. */
  #after(act: () => void): void {
    if (this.#fault.delayMs === undefined) act();
    else this.#clock.timer(this.#fault.delayMs, act);
  }

  #pass(direction: Direction, data: Buffer, from: Socket, to: Socket): void {
    if (this.#over()) return;
    const { cut } = this.#fault;
    const room = cut?.direction === direction ? cut.after - this.#counts[direction] : Number.POSITIVE_INFINITY;
    const piece = data.subarray(0, Math.min(room, data.length));
    this.#counts[direction] += piece.length;
    this.#passed[direction].push(piece);
    // A reset throws away what the kernel still holds, so the cut waits until the last bytes are handed over.
    const last = cut !== undefined && piece.length === room ? () => this.cut(cut.by) : undefined;
    if (last !== undefined) from.pause();
    if (!to.write(piece, last) && last === undefined) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  }
  /** Cut, or about to be: the last bytes are on their way. After an `end` no reset could be sent any more. */
  #over(): boolean {
    const { cut } = this.#fault;
    return this.#isCut || (cut !== undefined && this.#counts[cut.direction] >= cut.after);
  }
}

/** No reset after an `end`: the kernel's connection cannot do both, and Node forgets the one where it fails (a leaked fd). */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
