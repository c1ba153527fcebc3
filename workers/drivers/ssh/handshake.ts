import type { Client } from 'ssh2';

/**
 * Private parts of ssh2 1.17 that are of the time before the log-in; those of channels are in transport.ts.
 * test/unit/ssh/handshake.test.ts fails if an upgrade takes one away.
 */
interface Protocol {
  parse(chunk: Buffer, from: number, to: number): void;
  _packetRW: { read: { read(payload: Buffer): Buffer } };
}

const KEXINIT = 20;
const LINE_FEED = 10;
const IDENTIFICATION = Buffer.from('SSH-');
/** Of lines before the identification. ssh2 takes 8 MiB of them, OpenSSH too. */
const MOST_BYTES = 64 << 10;

/**
 * Hands ssh2 the server's identification, and the lines before it, in one piece. It forgets the second of three pieces, so
 * a server or a network that sends a few bytes at a time could not be connected to; and it would read an endless greeting
 * until the deadline. For a client whose `connect` has just been called.
 */
export function gatherGreeting(client: Client): void {
  const protocol = protocolOf(client);
  const { parse } = protocol;
  const pieces: Buffer[] = [];
  let bytes = 0;
  let column = 0;
  let identifies = true;
  protocol.parse = (chunk, from, to) => {
    const piece = chunk.subarray(from, to);
    pieces.push(piece);
    for (const byte of piece) {
      if (byte === LINE_FEED) {
        if (identifies && column >= IDENTIFICATION.length) {
          Reflect.deleteProperty(protocol, 'parse');
          const all = Buffer.concat(pieces);
          parse.call(protocol, all, 0, all.length);
          return;
        }
        column = 0;
        identifies = true;
      } else {
        if (column < IDENTIFICATION.length && byte !== IDENTIFICATION[column]) identifies = false;
        column++;
      }
      if (++bytes > MOST_BYTES) throw new Error('what answers sends no SSH identification: this is no SSH server');
    }
  };
}

/**
 * Shows the server's first KEXINIT, and what software it says it is, before ssh2 reads it. What `look` throws ends the
 * connection, as an `error` of the client.
 */
export function onServerOffer(client: Client, look: (payload: Buffer, software: string) => void): void {
  const reader = protocolOf(client)._packetRW.read;
  const read = reader.read.bind(reader);
  reader.read = (payload) => {
    const message = read(payload);
    if (message[0] === KEXINIT) {
      Reflect.deleteProperty(reader, 'read');
      look(message, (client as unknown as { _remoteVer?: string })._remoteVer ?? '');
    }
    return message;
  };
}

function protocolOf(client: Client): Protocol {
  const { _protocol } = client as unknown as { _protocol?: Partial<Protocol> };
  if (typeof _protocol?.parse !== 'function') throw new Error('this version of ssh2 lacks parse');
  if (typeof _protocol._packetRW?.read?.read !== 'function') throw new Error('this version of ssh2 lacks _packetRW');
  return _protocol as Protocol;
}
