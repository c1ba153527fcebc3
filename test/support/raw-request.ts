import { connect, type Socket } from 'node:net';

/** What a server answers to bytes as they stand, until it closes the connection or `ends` holds of what came. */
export function rawAnswer(url: string, bytes: string, ends: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = rawSocket(url);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      text += piece;
      if (ends(text)) socket.destroy();
    });
    socket.on('error', (error) => (text === '' ? reject(error) : undefined));
    socket.on('close', () => resolve(text));
    socket.write(bytes, 'latin1');
  });
}

export function rawSocket(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
}
