import { connect, type Socket } from 'node:net';
import { Frames } from './frames.js';

const HELLO = 1;
const VERSION = 4;
const TERMINATE = 0x1000_0005;
const PROXY = 0x1000_000f;
const PROXY_GRANTED = 0x8000_000f;

/** A connection to the control socket of a master; both have said hello. Any failure rejects. */
export async function controlOf(path: string): Promise<Socket> {
  const socket = connect(path);
  // A failure is told by `close` as well, and nobody may be left without a listener.
  socket.on('error', () => undefined);
  socket.write(message(HELLO, VERSION));
  const hello = await answer(socket);
  if (hello.length >= 8 && hello.readUInt32BE(0) === HELLO && hello.readUInt32BE(4) === VERSION) return socket;
  socket.destroy();
  throw new Error('it speaks another version of the multiplexing protocol');
}

/** From here on the socket carries the channel messages of SSH, both ways, as the master has them decrypted. */
export async function becomeProxy(control: Socket): Promise<void> {
  control.write(message(PROXY, 0));
  const reply = await answer(control);
  if (reply.length < 4 || reply.readUInt32BE(0) !== PROXY_GRANTED) {
    control.destroy();
    throw new Error('it does not hand over its channels');
  }
}

/** Ends the master at once. */
export function terminate(control: Socket): void {
  if (!control.destroyed) control.end(message(TERMINATE, 0));
}

/** One message; what comes after it stays in the socket. */
function answer(socket: Socket): Promise<Buffer> {
  const frames = new Frames();
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('its control socket was closed'));
    // Before `close`, and says more: that we have no descriptor left, for one.
    socket.once('error', reject);
    socket.once('close', gone);
    socket.on('data', function take(data: Buffer) {
      try {
        for (const frame of frames.add(data)) {
          socket.off('data', take);
          socket.off('close', gone);
          socket.off('error', reject);
          socket.pause();
          resolve(frame);
          return;
        }
      } catch (error) {
        socket.destroy();
        reject(error as Error);
      }
    });
    socket.resume();
  });
}

function message(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(8, 0);
  bytes.writeUInt32BE(type, 4);
  bytes.writeUInt32BE(value, 8);
  return bytes;
}
