import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * An address that answers no connect: a server that is stopped, with its queue of connections full, so that the kernel
 * drops every further SYN.
 */
export async function startDeaf(host: string, port: number): Promise<AsyncDisposable> {
  const listen = `require('net').createServer().listen({ port: ${port}, host: '${host}', backlog: 1 }, () => process.send(1))`;
  const server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const fillers: Socket[] = [];
  const stop = async () => {
    for (const socket of fillers) socket.destroy();
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  };
  try {
    await once(server, 'message');
    server.kill('SIGSTOP');
    // It is full when one of them hears nothing while ten connections to elsewhere are refused.
    for (let full = false; !full; ) {
      const socket = connect(port, host).on('error', () => undefined);
      fillers.push(socket);
      for (let i = 0; i < 10 && socket.connecting; i++) await refused();
      full = socket.connecting;
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: stop };
}

/** A connect to a port of no use. (RFC 863 is served by nobody on this address.) */
async function refused(): Promise<void> {
  const socket = connect(9, '127.7.7.7');
  await new Promise((resolve) => socket.on('error', resolve));
}
