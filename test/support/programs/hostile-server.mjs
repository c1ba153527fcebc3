// An SSH server that does what no honest one would, each in its own way: the name of the user who logs in says which.
// Says { port }, then { closed: user } when a connection has ended.
import { once } from 'node:events';
import ssh2 from 'ssh2';

process.on('uncaughtException', () => {});

const MESSAGE = { REQUEST: 98, GLOBAL: 80, OPEN: 90 };
const PIECE = Buffer.alloc(32_000, 'x');
const HELD = 4 << 20;

const text = (value) => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const word = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Says it again and again, as fast as it is taken, until the connection ends. */
function forEver(connection, speak, most = Number.POSITIVE_INFINITY) {
  const { _sock: socket } = connection;
  let said = 0;
  const turn = () => {
    for (let i = 0; i < 1_000 && said < most && !socket.destroyed && socket.writableLength < HELD; i++, said++) speak();
    if (!socket.destroyed && said < most) setImmediate(turn);
  };
  turn();
}

/** A message of any kind, well formed or not. */
function say({ _protocol: protocol }, ...parts) {
  const payload = Buffer.concat(parts);
  const start = protocol._packetRW.write.allocStart;
  const packet = protocol._packetRW.write.alloc(payload.length);
  packet.set(payload, start);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(packet));
}

/** What happens when a command is started. `peer` is the client's number of the channel. */
const ON_EXEC = {
  window: (connection, peer) => forEver(connection, () => connection._protocol.channelData(peer, PIECE)),
  stderr: (connection, peer) => forEver(connection, () => connection._protocol.channelExtData(peer, PIECE, 1)),
  // Within the window.
  crumbs: (connection, peer) =>
    forEver(connection, () => connection._protocol.channelData(peer, PIECE.subarray(0, 1)), 1_900_000),
  nothing: (connection, peer) =>
    forEver(connection, () => connection._protocol.channelData(peer, PIECE.subarray(0, 0))),
  channels: (connection) => {
    const where = Buffer.concat([text('127.0.0.1'), word(1), text('127.0.0.1'), word(2)]);
    let number = 0;
    forEver(connection, () =>
      say(
        connection,
        Buffer.from([MESSAGE.OPEN]),
        text('forwarded-tcpip'),
        word(number++),
        word(1 << 20),
        word(1 << 15),
        where,
      ),
    );
  },
  globals: (connection) => {
    connection._sock.pause();
    forEver(connection, () =>
      say(connection, Buffer.from([MESSAGE.GLOBAL]), text('hostkeys-00@openssh.com'), Buffer.from([1])),
    );
  },
  requests: (connection, peer) => {
    connection._sock.pause();
    forEver(connection, () =>
      say(connection, Buffer.from([MESSAGE.REQUEST]), word(peer), text('keepalive@openssh.com'), Buffer.from([1])),
    );
  },
  rekeys: (connection) => {
    const again = () => {
      if (connection._sock.destroyed) return;
      connection._protocol.rekey();
      setImmediate(again);
    };
    again();
  },
  // Takes 4 GiB, it says, and reads none of it.
  deaf: (connection, peer) => {
    connection._protocol.channelWindowAdjust(peer, 0xffff0000);
    connection._sock.pause();
  },
  'good-bye': (connection) => connection._protocol.disconnect(11),
};

const BEFORE_AUTH = {
  banners: (connection) =>
    forEver(connection, () => say(connection, Buffer.from([53]), text('x'.repeat(30_000)), text(''))),
  failures: (connection) =>
    forEver(connection, () => say(connection, Buffer.from([51]), text('publickey'), Buffer.from([0]))),
  signatures: (connection) =>
    forEver(connection, () => say(connection, Buffer.from([60]), text('ssh-ed25519'), text(''))),
  prompts: (_connection, attempt) => {
    if (attempt.method !== 'keyboard-interactive') {
      attempt.reject(['keyboard-interactive']);
      return;
    }
    const again = () => attempt.prompt([{ prompt: 'Password: ', echo: false }], again);
    again();
  },
};

const server = new ssh2.Server({ hostKeys: [process.env.HOST_KEY] }, (connection) => {
  let user = '';
  const socket = connection._sock;
  socket.setNoDelay(true);
  connection.on('error', () => socket.resume());
  socket.on('error', () => {});
  socket.on('close', () => process.send({ closed: user }));
  connection.on('authentication', (attempt) => {
    user = attempt.username;
    const attack = BEFORE_AUTH[user];
    if (attack) attack(connection, attempt);
    else if (attempt.method === 'publickey') attempt.accept();
    else attempt.reject(['publickey']);
  });
  connection.on('session', (accept) => {
    const session = accept();
    session.on('exec', (start) => {
      const channel = start();
      ON_EXEC[user]?.(connection, channel.outgoing.id);
    });
  });
  if (!ON_EXEC.packets) ON_EXEC.packets = () => {};
  const confirm = connection._protocol.channelOpenConfirm;
  connection._protocol.channelOpenConfirm = function (remote, local, window, packet) {
    confirm.call(this, remote, local, window, user === 'packets' ? 0 : packet);
  };
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
process.on('disconnect', () => process.exit());
process.send({ port: server.address().port });
