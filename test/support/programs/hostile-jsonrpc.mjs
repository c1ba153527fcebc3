// A server of JSON-RPC 2.0 on its standard input and output, honest until it is told otherwise. Words of the command line
// say how it starts, in any order:
//
//   exit            ends at once with status 3 and a word on stderr        silent          reads, and never answers
//   exit-after:N    ends with status 3 after N answers                     deaf            never reads
//   garbage         answers with what is no JSON                           stubborn        ignores SIGTERM and the end of its input
//   logs            prints a line that is no JSON before each answer       children        starts a process of its own, which lives on
//   endless         prints a line that never ends                          flood:BYTES     so much on stderr before each answer
//   old-protocol    speaks another version of MCP                          refuses         answers `initialize` with an error
//   content-length  frames messages as language servers do                 marks:FILE      adds a line to FILE at each start
//
// The method of a request says how it is answered: see METHODS. Any other gets the error -32601.
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, writeSync } from 'node:fs';
import { setInterval, setTimeout } from 'node:timers';

const words = process.argv.slice(2);
const has = (word) => words.includes(word);
const textOf = (name) => words.find((word) => word.startsWith(`${name}:`))?.slice(name.length + 1);

const byLength = has('content-length');
const marks = textOf('marks');
const flood = Number(textOf('flood') ?? 0);
let left = Number(textOf('exit-after') ?? Number.POSITIVE_INFINITY);

if (marks) appendFileSync(marks, `${process.pid}\n`);
if (has('exit')) {
  process.stderr.write('hostile: cannot find its database\n');
  process.exit(3);
}
if (has('stubborn')) process.on('SIGTERM', () => {});
if (has('children')) nap();
if (has('endless')) {
  const piece = Buffer.alloc(1 << 16, 'x');
  const more = () => process.stdout.write(piece, more);
  more();
}

/** What was told of requests that were called off, and of those that are kept waiting. */
const canceled = [];
const kept = new Map();
/** What waits for an answer of ours: id → what to do with it. */
const asked = new Map();
let handshakes = 0;
let requests = 0;
let lastId = 0;

function nap() {
  return spawn('sleep', ['600'], { stdio: 'ignore' }).pid;
}

function raw(bytes) {
  process.stdout.write(bytes);
}

function framed(text) {
  return byLength ? `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}` : `${text}\n`;
}

function send(message) {
  raw(framed(JSON.stringify(message)));
}

function answer(id, result) {
  if (flood > 0) writeStderr(flood);
  if (has('logs')) raw('INFO 12:00:01 about to answer\n');
  if (has('garbage')) raw('this is not JSON\n');
  else send({ jsonrpc: '2.0', id, result });
  if (--left <= 0) process.exit(3);
}

/** At once: who does not read it keeps us from going on. */
function writeStderr(bytes) {
  const piece = Buffer.alloc(1 << 16, 'e');
  for (let left = bytes; left > 0; ) {
    try {
      left -= writeSync(2, piece, 0, Math.min(left, piece.length));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

function ask(method, params, then) {
  const id = `ask-${++lastId}`;
  asked.set(id, then);
  send({ jsonrpc: '2.0', id, method, params });
}

function notify(method, params) {
  send({ jsonrpc: '2.0', method, params });
}

/** How each method is answered. `p`: the params, `id`: the request's. */
const METHODS = {
  initialize(id, p) {
    handshakes++;
    if (has('refuses')) return send({ jsonrpc: '2.0', id, error: { code: -32603, message: 'no licence was found' } });
    const protocolVersion = has('old-protocol') ? '1999-12-31' : (p?.protocolVersion ?? '2025-06-18');
    answer(id, { protocolVersion, capabilities: {}, serverInfo: { name: 'hostile', version: '1' }, params: p });
  },
  ping: (id) => answer(id, {}),
  shutdown: (id) => answer(id, null),
  echo: (id, p) => answer(id, p ?? null),
  // What it is, and what was asked of it.
  pid: (id) => answer(id, process.pid),
  about: (id) => answer(id, { pid: process.pid, handshakes, requests, canceled, cwd: process.cwd(), argv: words }),
  env: (id) => answer(id, process.env),
  nap: (id) => answer(id, nap()),
  // Late, in an order of its own, or never.
  slow: (id, p) => setTimeout(() => answer(id, p), p.ms),
  silence: () => {},
  // Never either; a line in a file tells that it has come.
  hold: (_id, p) => appendFileSync(p.file, 'held\n'),
  keep: (id, p) => void kept.set(p.as, id),
  release(id, p) {
    answer(kept.get(p.as), `kept as ${p.as}`);
    answer(id, null);
  },
  // Before its answer: notifications, progress, a question to whoever asked.
  notify(id, p) {
    for (let i = 0; i < p.times; i++) notify('notifications/message', { level: 'info', data: `${i}` });
    answer(id, p.times);
  },
  progress(id, p) {
    const { progressToken } = p._meta ?? {};
    for (let i = 1; i <= p.times; i++) notify('notifications/progress', { progressToken, progress: i, total: p.times });
    answer(id, p.times);
  },
  ask: (id, p) => ask(p.method, p.params, ({ result, error }) => answer(id, { result, error })),
  // Answers that are wrong.
  error: (id, p) => send({ jsonrpc: '2.0', id, error: { code: p?.code ?? -32000, message: 'as you wished', data: p } }),
  garbage(id) {
    raw('{"jsonrpc":"2.0","id":1,"resu\n');
    answer(id, 'after garbage');
  },
  wrongId(id) {
    send({ jsonrpc: '2.0', id: 987_654_321, result: 'of another' });
    send({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'of nobody' } });
    send({ jsonrpc: '2.0', id: { an: 'object' }, result: 'of nobody' });
    answer(id, 'mine');
  },
  twice(id) {
    answer(id, 'first');
    answer(id, 'second');
  },
  batch(id) {
    const message = { jsonrpc: '2.0', id, result: 'in a batch' };
    raw(framed(JSON.stringify([{ jsonrpc: '2.0', method: 'notifications/x' }, message])));
  },
  both: (id) => send({ jsonrpc: '2.0', id, result: 1, error: { code: 1, message: 'both' } }),
  neither: (id) => send({ jsonrpc: '2.0', id }),
  badError: (id) => send({ jsonrpc: '2.0', id, error: 'a text' }),
  noVersion: (id) => send({ id, result: 'no version' }),
  // Bytes that are wrong, or come oddly.
  huge: (id, p) => answer(id, 'x'.repeat(p.bytes)),
  hugeLine: (_id, p) => raw(Buffer.alloc(p.bytes, 'x')),
  nul(id) {
    raw('\0\0\0\n');
    answer(id, 'after NUL');
  },
  blank(id) {
    raw('\n\r\n  \n');
    raw(`${JSON.stringify({ jsonrpc: '2.0', id, result: 'after blank lines' })}\r\n`);
  },
  badUtf8: (id) =>
    raw(Buffer.concat([Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":"`), BAD, END])),
  deep(id, p) {
    const nested = '['.repeat(p.levels) + ']'.repeat(p.levels);
    raw(framed(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${nested}}`));
  },
  async bytewise(id, p) {
    const bytes = Buffer.from(framed(JSON.stringify({ jsonrpc: '2.0', id, result: p?.text ?? 'äöü€😀' })));
    for (const byte of bytes) {
      raw(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
  badLength: () => raw('Content-Length: many\r\n\r\n{}'),
  // Ends.
  exit(_id, p) {
    process.stderr.write(`hostile: exits with ${p?.code ?? 0}${p?.says ?? ''}\n`);
    process.exit(p?.code ?? 0);
  },
  kill: () => process.kill(process.pid, 'SIGKILL'),
  closeStdout: () => closeSync(1),
  half(id) {
    raw(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":"hal`);
    setImmediate(() => process.kill(process.pid, 'SIGKILL'));
  },
  stderr(id, p) {
    writeStderr(p.bytes);
    answer(id, p.bytes);
  },
};

const BAD = Buffer.from([0xc3, 0x28, 0xff]);
const END = Buffer.from('"}\n');

function take(message) {
  const { id, method, params, result, error } = message;
  if (method === undefined) {
    asked.get(id)?.({ result, error });
    asked.delete(id);
  } else if (id === undefined) {
    if (method === 'notifications/cancelled' || method === '$/cancelRequest') canceled.push(params);
    if (method === 'exit') process.exit(0);
    if (METHODS[method] && params?.loud) METHODS[method](null, params);
  } else {
    requests++;
    if (has('silent')) return;
    const known = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
    if (known) known(id, params);
    else send({ jsonrpc: '2.0', id, error: { code: -32601, message: `no method ${method}` } });
  }
}

let rest = Buffer.alloc(0);

/** Takes one message out of what has come; undefined where it is not whole. */
function next() {
  const head = rest.indexOf(byLength ? '\r\n\r\n' : '\n');
  if (head < 0) return undefined;
  const length = byLength ? Number(/content-length: *(\d+)/i.exec(rest.toString('latin1', 0, head))?.[1]) : head;
  const start = byLength ? head + 4 : 0;
  if (rest.length < start + length) return undefined;
  const text = rest.toString('utf8', start, start + length);
  rest = rest.subarray(start + length + (byLength ? 0 : 1));
  return text;
}

if (has('deaf') || has('stubborn')) setInterval(() => {}, 1_000_000);
if (!has('deaf')) {
  process.stdin.on('data', (bytes) => {
    rest = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
    for (let text = next(); text !== undefined; text = next()) if (text.trim()) take(JSON.parse(text));
  });
  process.stdin.on('end', () => !has('stubborn') && process.exit(0));
}
