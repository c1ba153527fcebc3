import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../../src/util/clock.js';
import { portOf } from './ports.js';
import { ProxyConnection } from './proxy-connection.js';
import type { Fault } from './proxy-fault.js';

export { type CutBy, type Direction, type Fault, randomCut } from './proxy-fault.js';

export interface ProxyOptions {
  to: { host: string; port: number };
  /** For every connection, or for each by its number from 0. */
  fault?: Fault | ((connection: number) => Fault);
  /** Loopback address to listen on. @default '127.0.0.1' */
  address?: string;
  clock?: Clock;
  /** For slices and jitter, 0 ≤ x < 1. @default Math.random */
  random?: () => number;
  /** False: neither bytes nor connections that have ended are kept, for what runs long. @default true */
  keeps?: boolean;
}

export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.accept();
  return proxy;
}

/** Stands between a client and a server and hurts their connection at a chosen byte. */
export class FaultProxy implements AsyncDisposable {
  readonly address: string;
  /** All so far, in the order of their arrival; with `keeps: false` those that are there. */
  readonly connections: ProxyConnection[] = [];
  fault: Fault | ((connection: number) => Fault);
  readonly #options: ProxyOptions;
  #port = 0;
  #count = 0;
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

  /** No fault any more, for the connections there are and those to come. */
  async heal(): Promise<void> {
    this.fault = {};
    for (const connection of this.connections) connection.heal();
    await this.accept();
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
    const number = this.#count++;
    const fault = typeof this.fault === 'function' ? this.fault(number) : this.fault;
    const { to, clock = systemClock, random = Math.random, keeps = true } = this.#options;
    const connection = new ProxyConnection(client, { to, fault, clock, random, keeps });
    this.connections.push(connection);
    if (!keeps) this.#forget(client, connection);
    for (const resolve of this.#waiting.splice(0)) resolve(connection);
  }

  /** The server's side of a connection that was cut would stay until the server ends it: for days, with a real one. */
  #forget(client: Socket, connection: ProxyConnection): void {
    client.once('close', () => void connection.destroy());
    void connection.ended.then(() => this.connections.splice(this.connections.indexOf(connection), 1));
  }
}
