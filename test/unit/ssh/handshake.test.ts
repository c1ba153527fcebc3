import { Socket } from 'node:net';
import { Client } from 'ssh2';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/util/clock.js';
import { algorithmsFor } from '../../../workers/drivers/ssh/algorithms.js';
import { Guard } from '../../../workers/drivers/ssh/guard.js';
import { gatherGreeting, onServerOffer } from '../../../workers/drivers/ssh/handshake.js';

interface Inside {
  _protocol: Record<string, unknown> & {
    parse(chunk: Buffer, from: number, to: number): void;
    _handlers: Record<string, (...rest: unknown[]) => void>;
    _remoteIdentRaw?: Buffer;
  };
}

/** A client that has a protocol and no connection. */
function client(): Client & Inside {
  const made = new Client();
  made.on('error', () => undefined);
  made.connect({ sock: new Socket(), username: 'me', readyTimeout: 0, algorithms: algorithmsFor(new Set()) });
  return made as Client & Inside;
}

const guardOf = (made: Client, ended = () => {}) => new Guard(made, 'a:22', systemClock, () => 0, ended);

function feed(made: Inside, text: string): void {
  const chunk = Buffer.from(text, 'latin1');
  made._protocol.parse(chunk, 0, chunk.length);
}

test('this version of ssh2 has the private parts that the driver stands on', () => {
  const made = client();
  expect(() => gatherGreeting(made)).not.toThrow();
  expect(() => onServerOffer(made, () => undefined)).not.toThrow();
  expect(() => guardOf(made)).not.toThrow();
});

test('a version of ssh2 without one of them is refused by its name', () => {
  const without = (protocol: object) => ({ _protocol: protocol }) as unknown as Client;
  expect(() => gatherGreeting(without({}))).toThrow('lacks parse');
  expect(() => onServerOffer(without({ parse() {}, _packetRW: {} }), () => undefined)).toThrow('lacks _packetRW');
  expect(() => guardOf(without({ _handlers: {} }))).toThrow('lacks DISCONNECT');
});

test('an identification that comes byte by byte, after other lines, is read whole', () => {
  const made = client();
  gatherGreeting(made);
  for (const byte of 'hello\r\nSSH\r\nSSH-2.0-Slow_1.0 of a kind\r\n') feed(made, byte);
  expect(String(made._protocol._remoteIdentRaw)).toBe('SSH-2.0-Slow_1.0 of a kind');
  // By this Pressure knows that keys are being exchanged.
  expect(made._protocol._kexinit).toBeDefined();
});

test('what comes in one piece with the identification is read too', () => {
  const made = client();
  gatherGreeting(made);
  const offers: string[] = [];
  onServerOffer(made, (message, software) => offers.push(`${software} ${message[0]}`));
  // A packet with 4 bytes of padding: KEXINIT, cut short.
  const packet = Buffer.concat([Buffer.from([0, 0, 0, 28, 10, 20]), Buffer.alloc(26)]);
  feed(made, `SSH-2.0-Quick\r\n${packet.toString('latin1')}`);
  expect(offers).toEqual(['Quick 20']);
});

test('64 KiB without an identification are not of an SSH server', () => {
  const made = client();
  gatherGreeting(made);
  feed(made, 'HTTP/1.1 400 Bad Request\r\n'.repeat(2_000));
  expect(() => feed(made, 'x'.repeat(20_000))).toThrow('this is no SSH server');
});

test('a good-bye of the server is the end, whatever the reason', () => {
  const made = client();
  let ends = 0;
  guardOf(made, () => ends++);
  made._protocol._handlers.DISCONNECT?.(null, 11, 'bye');
  expect(ends).toBe(1);
});

test('what a server may send unasked is bounded, and its good-byes are not', () => {
  const made = client();
  guardOf(made).loggedIn();
  const { _handlers } = made._protocol;
  const flood = (name: string, ...rest: unknown[]) => {
    for (let i = 0; i < 2_000; i++) _handlers[name]?.(null, ...rest);
  };
  expect(() => flood('USERAUTH_BANNER', 'hi')).toThrow('a:22 sent too many messages of the kind USERAUTH_BANNER');
  expect(() => flood('GLOBAL_REQUEST', 'no-such@example', false)).toThrow('GLOBAL_REQUEST');
  expect(() => flood('CHANNEL_REQUEST', 0, 'exit-status', false, 0)).not.toThrow();
  expect(() => flood('CHANNEL_REQUEST', 0, 'keepalive@openssh.com', true)).toThrow('CHANNEL_REQUEST');
  expect(() => {
    for (let i = 0; i < 100; i++) made.emit('handshake', {} as never);
  }).toThrow('key exchanges');
});
