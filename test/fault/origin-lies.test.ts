import type { Socket } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { createEngine, type Engine, KeylaneError } from 'keylane';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/util/clock.js';
import { type RawOrigin, startRawOrigin } from '../support/http-harness.js';

const CALL_MS = 1_000;
const OK = 'HTTP/1.1 200 OK\r\n';

let engine: Engine;
let peer: RawOrigin;
beforeAll(async () => {
  peer = await startRawOrigin((socket, head) => lies(socket, /^\S+ \/(\S*)/.exec(head)?.[1] ?? ''));
  engine = await createEngine({ shards: 1, http: { connections: 4, maxBodyBytes: 100_000 } });
});
afterAll(async () => {
  await engine.close();
  await peer.stop();
});

/** Each by the path that asks for it. */
const LIES: Readonly<Record<string, (socket: Socket) => void>> = {
  good: (socket) => socket.write(`${OK}content-length: 2\r\n\r\nok`),
  silent: () => {},
  'slow-head': (socket) => drip(socket, `${OK}x: `, 'y'),
  'endless-head': (socket) => pour(socket, OK, 'x-y: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n'),
  'other-protocol': (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
  'status-below': (socket) => socket.write('HTTP/1.1 099 Early\r\ncontent-length: 0\r\n\r\n'),
  'no-status': (socket) => socket.write('HTTP/1.1 OK\r\n\r\n'),
  'bare-lf': (socket) => socket.write('HTTP/1.1 200 OK\ncontent-length: 0\n\n'),
  'two-lengths': (socket) => socket.write(`${OK}content-length: 1\r\ncontent-length: 2\r\n\r\nab`),
  'length-and-chunks': (socket) =>
    socket.write(`${OK}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n`),
  'bad-chunk': (socket) => socket.write(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\na`),
  'short-body': (socket) => socket.end(`${OK}content-length: 10\r\n\r\nhello`),
  'short-chunks': (socket) => socket.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`),
  'body-that-waits': (socket) => socket.write(`${OK}content-length: 10\r\n\r\nhello`),
  'slow-body': (socket) => drip(socket, `${OK}content-length: 100000\r\n\r\n`, 'y'),
  'hints-for-ever': (socket) => drip(socket, '', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'),
  'unasked-100': (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'),
  'unasked-switch': (socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  'ends-at-once': (socket) => socket.end(),
  resets: (socket) => socket.resetAndDestroy(),
  'no-gzip': (socket) => socket.write(`${OK}content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello`),
  'long-body': (socket) => socket.write(`${OK}content-length: 2\r\n\r\nok${OK}content-length: 4\r\n\r\nevil`),
  'endless-body': (socket) => pour(socket, `${OK}connection: close\r\n\r\n`, 'z'.repeat(50_000)),
  'endless-chunks': (socket) => pour(socket, `${OK}transfer-encoding: chunked\r\n\r\n`, '1\r\nz\r\n'.repeat(5_000)),
  bomb: (socket) => {
    const body = gzipSync(Buffer.alloc(100 << 20));
    socket.write(`${OK}content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
  },
  'more-than-coded': (socket) => {
    socket.write(`${OK}content-encoding: deflate\r\ncontent-length: 100000\r\n\r\n`);
    socket.write(deflateSync('ok'));
    drip(socket, '', 'more');
  },
  'odd-names': (socket) =>
    socket.write(`${OK}__proto__: a\r\nconstructor: b\r\ntoString: c\r\nthen: d\r\ncontent-length: 2\r\n\r\nok`),
};

test.each<[path: string, verdict: string, says: RegExp]>([
  ['silent', 'ERR_TIMEOUT unknown', /GET: no head of an answer before the deadline$/],
  ['slow-head', 'ERR_TIMEOUT unknown', /GET: no head of an answer before the deadline$/],
  ['hints-for-ever', 'ERR_TIMEOUT unknown', /GET: no head of an answer before the deadline$/],
  [
    'body-that-waits',
    'ERR_TIMEOUT unknown',
    /GET: no end of the answer's body \(5 bytes of it came\) before the deadline$/,
  ],
  [
    'slow-body',
    'ERR_TIMEOUT unknown',
    /GET: no end of the answer's body \(\d+ bytes of it came\) before the deadline$/,
  ],
  ['endless-head', 'ERR_PROTOCOL unknown', /the head of its answer is larger than 65536 bytes/],
  ['other-protocol', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: \w+/],
  ['no-status', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: \w+/],
  ['status-below', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: its status is none/],
  ['bare-lf', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: \w+/],
  ['two-lengths', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: .*Content-Length/],
  ['length-and-chunks', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: .*Content-Length/],
  ['bad-chunk', 'ERR_PROTOCOL unknown', /it does not speak HTTP\/1\.1: .*chunk size/],
  ['unasked-100', 'ERR_PROTOCOL unknown', /a 100 that nobody asked for/],
  ['unasked-switch', 'ERR_PROTOCOL unknown', /a protocol switch/],
  ['no-gzip', 'ERR_PROTOCOL unknown', /its body is not what content-encoding says/],
  ['short-body', 'ERR_CONNECTION_LOST unknown', /GET: the connection was closed after 5 bytes of the answer's body/],
  ['short-chunks', 'ERR_CONNECTION_LOST unknown', /GET: the connection was closed after 5 bytes of the answer's body/],
  ['ends-at-once', 'ERR_CONNECTION_LOST unknown', /GET: the connection was closed before the head of the answer/],
  ['resets', 'ERR_CONNECTION_LOST unknown', /GET: the connection was reset before the head of the answer/],
])('%s: %s, and a neighbour on the same key is served', async (path, verdict, says) => {
  const call = engine.run('http', { url: `${peer.origin}/${path}?token=s3cret` }, { timeoutMs: CALL_MS });
  const error = await call.then(
    (answer) => expect.unreachable(JSON.stringify(answer).slice(0, 200)),
    (thrown: unknown) => thrown as KeylaneError,
  );
  expect(error).toBeInstanceOf(KeylaneError);
  expect(`${error.code} ${error.outcome}`).toBe(verdict);
  expect(error.message).toMatch(says);
  expect(error.message.startsWith(`${peer.origin}: `)).toBe(true);
  expect(error.message).not.toContain('s3cret');
  await good();
});

test.each<[path: string, body: unknown, truncated: boolean]>([
  ['long-body', 'ok', false],
  ['endless-body', 'z'.repeat(100_000), true],
  ['endless-chunks', 'z'.repeat(100_000), true],
  ['bomb', '\0'.repeat(100_000), true],
  ['more-than-coded', 'ok', false],
  ['odd-names', 'ok', false],
])('%s is answered, and answers nobody else', async (path, body, truncated) => {
  const answer = await engine.run('http', { url: `${peer.origin}/${path}` }, { timeoutMs: 20_000 });
  expect(answer.status).toBe(200);
  expect(answer.truncated).toBe(truncated);
  expect(answer.body === body).toBe(true);
  expect(({} as Record<string, unknown>).a).toBeUndefined();
  for (let i = 0; i < 3; i++) await good();
});

test('nothing of all that is left', async () => {
  await good();
  await expect
    .poll(async () => {
      const inside = (await engine.stats()).shards[0]?.inside;
      return { requests: inside?.requests, open: peer.sockets.size };
    })
    .toEqual({ requests: 0, open: expect.toSatisfy((open: number) => open <= 4) });
});

async function good(): Promise<void> {
  // The breaker of a key that lies so much must not be what is tested.
  const call = engine.result('http', { url: `${peer.origin}/good` }, { timeoutMs: 10_000, attempts: 5 });
  expect(await call).toMatchObject({ outcome: 'ok', response: { status: 200, body: 'ok' } });
}

function lies(socket: Socket, path: string): void {
  const name = path.split('?')[0] as string;
  const lie = LIES[name];
  if (!lie) throw new Error(`no lie is called ${name}`);
  lie(socket);
}

/** A piece now and then, for as long as the socket lives. */
function drip(socket: Socket, first: string, piece: string): void {
  socket.write(first);
  const next = () => {
    if (socket.destroyed) return;
    socket.write(piece);
    systemClock.timer(20, next);
  };
  next();
}

/** As fast as it is taken. */
function pour(socket: Socket, first: string, piece: string): void {
  socket.write(first);
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
    if (!socket.destroyed) socket.once('drain', more);
  };
  more();
}
