import { connect, createServer, type Server } from 'node:net';

/**
 * A port that is free on all the addresses right now. Somebody may take it before you listen, so whoever uses it tries
 * again on EADDRINUSE.
 */
export async function freePort(addresses: readonly string[]): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const held: Server[] = [];
    try {
      let port = 0;
      for (const address of addresses) {
        const server = await listen(port, address);
        held.push(server);
        port = portOf(server);
      }
      return port;
    } catch (error) {
      if (attempt === 20) throw error;
    } finally {
      await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
    }
  }
}

function listen(port: number, address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, address, () => resolve(server));
  });
}

/** The port of a listening TCP server. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port');
  return address.port;
}

/** Does somebody listen on the port of 127.0.0.1? Asks by connecting. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
