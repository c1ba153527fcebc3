// An SFTP server that lies: `node hostile-sftp.mjs FILE`, as the Subsystem of an sshd. FILE names the lie. But for that it
// is an honest one: one file of 100,000 bytes to read, and one that keeps no more than the length of what is written.
import { readFileSync } from 'node:fs';
import { stdin, stdout } from 'node:process';

const lie = readFileSync(process.argv[2], 'utf8');

const SIZE = 100_000;
const [VERSION, STATUS, HANDLE, DATA, NAME, ATTRS] = [2, 101, 102, 103, 104, 105];
const KIND = { 3: 'open', 4: 'close', 5: 'read', 6: 'write', 8: 'fstat', 10: 'fsetstat', 13: 'remove', 16: 'realpath' };
const FILE = 0o100644;

let writing = false;
let written = 0;
let reads = 0;
let input = Buffer.alloc(0);

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value) => Buffer.concat([u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32)]);
const text = (value) => Buffer.concat([u32(value.length), Buffer.from(value)]);
const message = (...parts) => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
  return Buffer.concat([u32(body.length), body]);
};
const say = (...parts) => stdout.write(message(...parts));
const status = (id, code) => say(STATUS, id, u32(code), text('the server says so'), text(''));
const data = (id, bytes) => say(DATA, id, u32(bytes.length), bytes);
const attributes = (id, size, mode) => say(ATTRS, id, u32(5), u64(size), u32(mode));
/** Says it again and again, as fast as it is taken. */
const forEver = (bytes) => {
  while (stdout.write(bytes));
  stdout.once('drain', () => forEver(bytes));
};

const greetings = {
  'a silent one': () => {},
  'a talkative shell': () => stdout.write('Welcome to the machine. All that you do is watched.\n'),
  'a length of 4 GiB': () => stdout.write(Buffer.alloc(4, 0xff)),
  'a message of no bytes': () => stdout.write(Buffer.alloc(64)),
  'a torn greeting': () => say(VERSION, u32(3), text('limits@openssh.com'), u32(1_000)),
  'greetings for ever': () => forEver(message(VERSION, u32(3))),
};

const lies = {
  'the id of nobody': { fstat: () => status(u32(0xfffffff), 0) },
  'attributes cut off': { fstat: (id) => say(ATTRS, id, u32(5), u32(0)) },
  'attributes of 1 byte': { fstat: (id) => say(ATTRS, id, 0) },
  'a size past all numbers': { fstat: (id) => attributes(id, 2 ** 63, FILE) },
  'a status without a code': { read: (id) => say(STATUS, id) },
  'no answer to a read': { read: () => {} },
  'more data than asked': { read: (id, { length }) => data(id, Buffer.alloc(length + 1)) },
  'data of no bytes': { read: (id) => data(id, Buffer.alloc(0)) },
  'data cut off': { read: (id) => say(DATA, id, u32(1_000), Buffer.alloc(10)) },
  'a message cut off': {
    read: (id) => stdout.write(message(DATA, id, text('x'.repeat(1_000))).subarray(0, 100), () => process.exit(0)),
  },
  'an end within the reads': {
    read: (id) => (reads++ < 1 ? honest.read(id, { at: 0, length: 100 }) : process.exit(1)),
  },
  'data that nobody asked': { read: () => forEver(message(DATA, u32(0x7fffffff), text('x'.repeat(30_000)))) },
  'data for ever': { read: (id, { length }) => data(id, Buffer.alloc(length, 'x')) },
  'bytes of rubbish behind each byte': {
    read: (id, { at }) => (at < SIZE ? say(DATA, id, text('x'), Buffer.alloc(200_000)) : status(id, 1)),
    fstat: (id) => attributes(id, 1_000, FILE),
  },
  'single bytes': {
    fstat: (id) => attributes(id, 300, FILE),
    read: (id, { at }) => (at < 300 ? data(id, Buffer.from([at])) : status(id, 1)),
  },
  'a file that takes on rights': { fstat: (id) => attributes(id, SIZE, 0o106777) },
  'a success for what was not written': { write: (id) => status(id, 0) },
  'no answer to a write': { write: () => {} },
  'an end within the writes': { write: () => process.exit(1) },
  'a handle for a write': { write: (id) => say(HANDLE, id, text('h')) },
  'two names for a path': { realpath: (id) => say(NAME, id, u32(2), text('a'), text('a'), u32(0)) },
  'another place for a path': {
    realpath: (id) => say(NAME, id, u32(1), text('../../../../../tmp/x'), text(''), u32(0)),
  },
  'an end at the rename': { rename: () => process.exit(1) },
  'no answer to the rename': { rename: () => {} },
  'a torn answer to the rename': { rename: (id) => say(STATUS, id, u32(0).subarray(1)) },
};

const honest = {
  open: (id) => say(HANDLE, id, text('h')),
  close: (id) => status(id, 0),
  remove: (id) => status(id, 0),
  fsetstat: (id) => status(id, 0),
  rename: (id) => status(id, 0),
  stat: (id) => attributes(id, SIZE, FILE),
  fstat: (id) => attributes(id, writing ? written : SIZE, FILE),
  realpath: (id) => say(NAME, id, u32(1), text('/x'), text(''), u32(0)),
  read: (id, { at, length }) =>
    at >= SIZE ? status(id, 1) : data(id, Buffer.alloc(Math.min(length, SIZE - at), 'keylane ')),
  write: (id, { at, length }) => {
    written = Math.max(written, at + length);
    status(id, 0);
  },
};

function answer(packet) {
  const type = packet[0];
  if (type === 1) {
    const greet = greetings[lie] ?? (() => say(VERSION, u32(3), text('posix-rename@openssh.com'), text('1')));
    greet();
    return;
  }
  const id = packet.subarray(1, 5);
  const kind = KIND[type] ?? (type === 17 ? 'stat' : 'rename');
  // id, then the path or the handle, then what comes after.
  const after = 9 + packet.readUInt32BE(5);
  if (kind === 'open') writing = (packet.readUInt32BE(after) & 2) !== 0;
  const place = kind === 'read' || kind === 'write';
  const order = place
    ? { at: Number(packet.readBigUInt64BE(after)), length: packet.readUInt32BE(after + 8) }
    : { at: 0, length: 0 };
  (lies[lie]?.[kind] ?? honest[kind])(id, order);
}

if (lie !== 'none' && !(lie in greetings) && !(lie in lies)) throw new Error(`nobody knows the lie ${lie}`);
stdin.on('data', (bytes) => {
  input = Buffer.concat([input, bytes]);
  while (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) {
    const length = input.readUInt32BE(0);
    answer(input.subarray(4, 4 + length));
    input = input.subarray(4 + length);
  }
});
stdin.on('end', () => process.exit(0));
stdout.on('error', () => process.exit(0));
