import type { VirtualThread } from './thread.ts';
import type { World } from './world.ts';

/** How one host behaves, drawn once for a run. */
export interface Manners {
  /** Milliseconds that a request takes. */
  latency: [number, number];
  /** Streams that it allows on a connection; the driver believes in `STREAMS`. */
  streams: number;
  /** Shares of opens that are refused, never answered, or refused for their credentials. */
  refuses: number;
  ignores: number;
  forbids: number;
  /** Shares of requests at which the connection breaks, and that are never answered. */
  breaks: number;
  hangs: number;
  /** Share of requests that are answered no. */
  fails: number;
}

/** What the world's driver asks for before a host's own limit is known. */
export const STREAMS = 4;

/** A connection as the host sees it. */
export interface PeerConnection {
  readonly key: string;
  readonly lane: string;
  readonly thread: VirtualThread;
  open: boolean;
  streams: number;
  lost: (error: Error) => void;
}

/** All hosts: what they have seen is the truth that outcomes are held against. */
export class Peers {
  readonly connections = new Set<PeerConnection>();
  /** Request → times that a host has run it, and answered yes. */
  readonly ran = new Map<number, number>();
  readonly saidYes = new Map<number, number>();
  readonly #opens = new Set<{ key: string; thread: VirtualThread }>();
  readonly #world: World;
  readonly #manners = new Map<string, Manners>();

  constructor(world: World) {
    this.#world = world;
  }

  mannersOf(key: string): Manners {
    if (!this.#world.hostile) return GOOD;
    let manners = this.#manners.get(key);
    if (!manners) {
      manners = this.#draw();
      this.#manners.set(key, manners);
    }
    return manners;
  }

  /** A thread begins to connect. A key has one owner at most: nobody else may connect to it or be connected. */
  begin(thread: VirtualThread, key: string): { end(): void } {
    this.#refuseOthers(thread, key);
    const open = { key, thread };
    this.#opens.add(open);
    const end = () => void this.#opens.delete(open);
    thread.onEnd.push(end);
    return { end };
  }

  accept(thread: VirtualThread, key: string, lane: string, lost: (error: Error) => void): PeerConnection {
    this.#refuseOthers(thread, key);
    const connection = { key, lane, thread, open: true, streams: 0, lost };
    this.connections.add(connection);
    thread.onEnd.push(() => this.drop(connection));
    return connection;
  }

  drop(connection: PeerConnection): void {
    connection.open = false;
    this.connections.delete(connection);
  }

  run(request: number): void {
    this.ran.set(request, (this.ran.get(request) ?? 0) + 1);
  }

  sayYes(request: number): void {
    this.saidYes.set(request, (this.saidYes.get(request) ?? 0) + 1);
  }

  /** Every host behaves from now on, and lets go of what would hang for ever. */
  heal(): void {
    for (const connection of [...this.connections]) this.#hangUp(connection);
  }

  /** One host ends a connection. We hear of it later. */
  hangUp(): void {
    if (this.connections.size > 0) this.#hangUp(this.#world.random.pick([...this.connections]));
  }

  #refuseOthers(thread: VirtualThread, key: string): void {
    for (const other of [...this.connections, ...this.#opens]) {
      if (other.key === key && other.thread !== thread)
        this.#world.never(`threads ${other.thread.number} and ${thread.number} are both at ${key}`);
    }
  }

  #hangUp(connection: PeerConnection): void {
    const { thread } = connection;
    this.drop(connection);
    this.#world.after(this.#world.delay(0.1, 500), () => thread.runs && connection.lost(new Error('cut by the host')));
  }

  #draw(): Manners {
    const world = this.#world;
    const bad = world.chance(0.4);
    const share = (most: number) => (bad && world.chance(0.5) ? world.random.next() * most : 0);
    return {
      latency: [world.delay(0.2, 5), world.delay(6, 400)],
      streams: world.chance(0.3) ? 1 + world.random.below(STREAMS) : STREAMS,
      refuses: share(1),
      ignores: share(0.3),
      forbids: share(0.3),
      breaks: share(0.2),
      hangs: share(0.1),
      fails: share(0.5),
    };
  }
}

const GOOD: Manners = {
  latency: [0.2, 20],
  streams: STREAMS,
  refuses: 0,
  ignores: 0,
  forbids: 0,
  breaks: 0,
  hangs: 0,
  fails: 0,
};
