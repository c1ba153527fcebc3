// An SSH server that does something wrong at one of its writes. Before each connection it is told what, by its parent.
// Told { port, fault }; says { ports }, then { ready: port } to each fault, and { closed: port } when the client has left.
import { createServer } from 'node:net';
import ssh2 from 'ssh2';

const [hostKey, listeners] = [process.env.HOST_KEY, Number(process.env.LISTENERS)];
// What it does to ssh2 is not to end it.
process.on('uncaughtException', () => {});

const faults = new Map();

const ssh = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
  const { socket } = connection._sock.fault;
  socket.connection = connection;
  // It has stopped reading, and would not hear the client leave.
  connection.on('error', () => socket.resume());
  connection.on('authentication', (attempt) => {
    if (attempt.method === 'publickey') attempt.accept();
    else attempt.reject(['publickey']);
  });
  connection.on('session', (accept) => {
    accept().on('exec', (start) => {
      const channel = start();
      channel.stderr.write('noise');
      channel.write('ok\n');
      channel.exit(0);
      channel.end();
    });
  });
});

async function listen() {
  const server = createServer((socket) => take(socket, server.address().port));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

function take(socket, port) {
  const fault = faults.get(port) ?? {};
  faults.delete(port);
  socket.fault = { socket };
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('close', () => process.send({ closed: port }));
  const write = socket.write.bind(socket);
  let writes = 0;
  let muted = false;
  socket.write = (data, ...rest) => {
    if (muted) return true;
    if (writes++ !== fault.step) return write(data, ...rest);
    // What the fault writes by itself goes through.
    socket.write = write;
    muted = break_(socket, fault, Buffer.from(data));
    if (!muted) return true;
    socket.write = () => true;
    return true;
  };
  ssh.injectSocket(socket);
}

/** True if nothing more is to be said. */
function break_(socket, { kind, bytes, next }, data) {
  const noise = Buffer.from(bytes, 'base64');
  const half = data.subarray(0, data.length >> 1);
  const kinds = {
    noise: () => socket.write(Buffer.concat([noise, data])),
    replace: () => socket.write(noise),
    half: () => socket.write(half),
    flip: () => {
      data[noise[0] % data.length] ^= 1 << (noise[1] % 8);
      socket.write(data);
    },
    twice: () => socket.write(Buffer.concat([data, data])),
    drop: () => {},
    // A packet that is well formed, and encrypted where it must be, with a message that is not.
    message: () => {
      socket.write(data);
      say(socket, noise);
    },
    'message first': () => {
      say(socket, noise);
      socket.write(data);
    },
    messages: () => {
      socket.write(data);
      for (let i = 0; i < 300; i++) say(socket, noise);
    },
    // Two errors at once: what cannot be read, and a reset.
    'noise and reset': () => socket.write(noise, () => socket.resetAndDestroy()),
    reset: () => socket.resetAndDestroy(),
    'endless line': () => endless(socket, Buffer.alloc(8_000, noise[0] | 32)),
    'endless lines': () => endless(socket, Buffer.from('a line that says nothing\r\n'.repeat(300))),
  };
  kinds[kind]();
  // After an end, Node's own reset would wait for ever.
  if (next === 'end' && !kind.endsWith('reset')) socket.end();
  return next !== 'go on';
}

function say(socket, payload) {
  const { _protocol: protocol } = socket.connection ?? {};
  if (!protocol) return;
  const start = protocol._packetRW.write.allocStartKEX;
  const packet = protocol._packetRW.write.alloc(payload.length, true);
  packet.set(payload, start);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(packet, true));
}

/** By turns: what the kernel takes at once would keep all else of the program from running. */
function endless(socket, piece) {
  const { write } = socket;
  const more = () => {
    if (!socket.destroyed) write(piece, () => setImmediate(more));
  };
  more();
}

process.on('message', ({ port, fault }) => {
  faults.set(port, fault);
  process.send({ ready: port });
});
process.on('disconnect', () => process.exit());
process.send({ ports: await Promise.all(Array.from({ length: listeners }, listen)) });
