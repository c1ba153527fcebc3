import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { systemClock } from 'keylane';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../support/engine.ts';
import { rawAnswer, rawSocket } from '../support/raw-request.ts';
import { TestService } from '../support/service.ts';

const START = process.env.KEYLANE_LONG ? {} : { http: { headersTimeoutMs: 1_000, bodyTimeoutMs: 1_500 } };

async function start(options: Parameters<typeof TestService.start>[0]): Promise<TestService> {
  const own = await TestService.start(options);
  onTestFinished(() => own.stop());
  return own;
}

/** Sends a byte of the text now and then, until the other side has closed the connection. */
class Slow {
  readonly closed: Promise<string>;
  readonly #socket: Socket;

  constructor(url: string, text: string, everyMs: number) {
    const socket = rawSocket(url);
    this.#socket = socket;
    let came = '';
    let at = 0;
    const next = (): void => {
      if (socket.destroyed || socket.writableEnded) return;
      socket.write(text.charAt(at++ % text.length));
      systemClock.timer(everyMs, next);
    };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      came += piece;
    });
    socket.on('error', () => {});
    socket.once('connect', () => text !== '' && next());
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve(came));
    });
  }

  first(text: string): this {
    this.#socket.prependOnceListener('connect', () => this.#socket.write(text));
    return this;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

test('of 1,000 clients who send a byte now and then, or nothing, none stays; a good one is answered all the while', async () => {
  const own = await start(START);
  const { url, token } = own.service;
  const host = new URL(url).host;
  const begun = `POST /v1/run HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
  const slow = Array.from({ length: 1_000 }, (_, index) => {
    switch (index % 4) {
      case 0:
        return new Slow(url, '', 100);
      case 1:
        return new Slow(url, 'X-A: b\r\n', 250).first(begun);
      case 2:
        return new Slow(url, 'x', 250).first(`${begun}Content-Length: 1000\r\n\r\n`);
      default:
        return new Slow(url, '1\r\nx\r\n', 250).first(`${begun}Transfer-Encoding: chunked\r\n\r\n`);
    }
  });
  onTestFinished(() => {
    for (const one of slow) one.destroy();
  });
  let left = slow.length;
  const answers = slow.map(({ closed }) => closed.finally(() => left--));
  let served = 0;
  while (left > 0) {
    const answer = await own.call('POST', '/v1/run', { driver: 'echo', request: { key: 'good' } });
    expect(answer.status).toBe(200);
    served++;
  }
  const statuses = (await Promise.all(answers)).map((text) => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'none');
  // A byte that comes after the close has the kernel take back what was not read yet.
  expect(statuses.filter((status) => status !== '408' && status !== 'none')).toEqual([]);
  expect(statuses.filter((status) => status === '408').length).toBeGreaterThan(500);
  expect(served).toBeGreaterThan(10);
});

test('a body of any length may take longer than the deadline, but must not stand still before the answer begins', async () => {
  const own = await start({ http: { bodyTimeoutMs: 600 } });
  const { url, token } = own.service;
  const head = (key: string) =>
    `POST /v1/batches HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${token}\r\nIdempotency-Key: ${key}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const line = '{"driver":"echo","request":{"key":"k"}}\n';
  const stands = new Slow(url, '', 100).first(`${head('stands')}${line.length.toString(16)}\r\n${line}\r\n`);
  const goesOn = new Slow(url, '1\r\n\n\r\n', 50).first(head('goes-on'));
  let over = '';
  void goesOn.closed.then((text) => {
    over = text || 'closed';
  });
  expect(await stands.closed).toMatch(/^HTTP\/1\.1 408 /);
  const later = systemClock.now() + 1_800;
  await until(() => systemClock.now() > later);
  expect(over).toBe('');
  goesOn.destroy();
});

test('from one address come as many connections as it may have; those that it has are served', async () => {
  const own = await start({ http: { connectionsFromLoopback: 20 } });
  const { url } = own.service;
  const ask = `GET /livez HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`;
  const first = rawSocket(url);
  onTestFinished(() => void first.destroy());
  const answered = () => new Promise((resolve) => first.once('data', resolve));
  first.write(ask);
  await answered();
  const more = Array.from({ length: 40 }, () => new Slow(url, '', 100));
  onTestFinished(() => {
    for (const one of more) one.destroy();
  });
  let closed = 0;
  for (const one of more) void one.closed.then(() => closed++);
  await until(() => closed === 21);
  first.write(ask);
  await answered();
  const { http } = (await (await fetchOn(first, own)).json()) as { http: { refused: Record<string, number> } };
  expect(http.refused.connections_per_address).toBe(21);
});

test('over TLS a client who never begins, or speaks plainly, is closed; slow requests are answered as without it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-slow-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const asked = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost'.split(' ');
  execFileSync('openssl', [...asked, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const own = await start({ tls: { cert, key }, http: { headersTimeoutMs: 500, bodyTimeoutMs: 500 } });
  const { url, token } = own.service;
  const plain = new Slow(url, 'x', 50).first(`GET /livez HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`);
  const silent = new Slow(url, '', 100);
  const inTls = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connectTls({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false });
      let came = '';
      socket.on('data', (piece) => {
        came += piece.toString();
      });
      socket.on('error', () => {});
      socket.once('close', () => resolve(came));
      socket.write(text);
    });
  const head = `POST /v1/run HTTP/1.1\r\nHost: localhost:${new URL(url).port}\r\n`;
  const body = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{`;
  expect(await inTls(head)).toMatch(/^HTTP\/1\.1 408 /);
  expect(await inTls(head + body)).toMatch(/^HTTP\/1\.1 408 /);
  await Promise.all([plain.closed, silent.closed]);
});

test('a connection is closed after as many requests as it may carry', async () => {
  const own = await start({ http: { requestsPerConnection: 3 } });
  const { url } = own.service;
  const ask = `GET /livez HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`;
  const text = await rawAnswer(url, ask.repeat(3), (came) => (came.match(/ok\n/g) ?? []).length === 3);
  expect(text.match(/HTTP\/1\.1 200 /g)).toHaveLength(3);
  expect(text.match(/connection: close/gi)).toHaveLength(1);
});

/** Over a connection that is there: another one would be refused. */
async function fetchOn(socket: Socket, own: TestService): Promise<Response> {
  const { url, token } = own.service;
  const came = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString();
      const [head, body] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head ?? '')?.[1]);
      if (body !== undefined && Buffer.byteLength(body) >= length) resolve(body);
    });
  });
  socket.write(`GET /v1/stats HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return new Response(await came);
}
