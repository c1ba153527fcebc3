import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A socket as Node's HTTP server has it: the answer that is being given on it. Internal, and so since Node 0.x. */
interface HttpSocket extends Socket {
  _httpMessage?: ServerResponse | null;
}

/**
 * The open connections of a server. Node closes those that are idle when it stops listening, but not those that never sent
 * a whole request, nor those whose answer ends later; then it no longer looks after time-outs of what comes in.
 */
export class Connections {
  /** By the other side's address and port: with TLS a connection has two sockets, and the one above is known later. */
  readonly #open = new Map<string, HttpSocket>();

  constructor(server: Server, isTls: boolean) {
    server.on('connection', (socket: Socket) => this.#add(socket));
    if (isTls) server.on('secureConnection', (socket: Socket) => this.#add(socket));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Closes those on which nothing is being answered. */
  closeUnused(): void {
    for (const socket of this.#open.values()) if (!socket._httpMessage) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.#open.values()) socket.destroy();
  }

  #add(socket: Socket): void {
    const name = `${socket.remoteAddress} ${socket.remotePort}`;
    this.#open.set(name, socket);
    socket.once('close', () => {
      if (this.#open.get(name) === socket) this.#open.delete(name);
    });
  }
}
