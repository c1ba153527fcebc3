import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { portOf } from './ports.js';

/** A request as it came: all bytes up to its end as `content-length` has it. */
export interface RawRequest {
  head: string;
  body: string;
}

export interface RawServer {
  readonly url: string;
  /** Whole requests that came, on all connections. */
  readonly requests: RawRequest[];
  /** Connections that were made. */
  readonly accepted: number;
  stop(): Promise<void>;
}

/** What a server does with a connection, and with each whole request on it. Each may end the connection. */
export interface RawBehavior {
  connected?(socket: Socket): void;
  /** Each piece that came, before it is looked at. */
  piece?(socket: Socket, bytes: Buffer): void;
  request?(socket: Socket, request: RawRequest, nth: number): void;
}

/** A TCP server that speaks as much HTTP as a test wants, and cuts where it wants. Gone when the running test is over. */
export async function startRawServer(behavior: RawBehavior): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const requests: RawRequest[] = [];
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    behavior.connected?.(socket);
    socket.on('data', (bytes) => {
      behavior.piece?.(socket, bytes);
      text += bytes.toString('latin1');
      for (let whole = wholeOf(text); whole; whole = wholeOf(text)) {
        text = text.slice(whole.length);
        requests.push(whole.request);
        behavior.request?.(socket, whole.request, requests.length);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    requests,
    get accepted() {
      return accepted;
    },
    stop,
  };
}

/** An answer with this body; its type is JSON unless `type` says otherwise. */
export function rawAnswer(
  status: number,
  body: string,
  type = 'application/json',
  more: readonly string[] = [],
): string {
  const head = [
    `HTTP/1.1 ${status} Whatever`,
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...more,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** The answer of a service to an echo that worked. */
export function okAnswer(payload: unknown = 1): string {
  return rawAnswer(200, JSON.stringify(okLine(payload)));
}

export function okLine(payload: unknown = 1, index = 0): object {
  return {
    index,
    id: String(index),
    key: 'a',
    outcome: 'ok',
    response: { payload },
    attempts: 1,
    shard: 0,
    reused: false,
    cache: 'none',
    timing: { queuedMs: 0, openMs: 0, runMs: 0 },
    history: [],
  };
}

function wholeOf(text: string): { request: RawRequest; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  const from = end + 4;
  if (text.length < from + length) return undefined;
  return { request: { head, body: text.slice(from, from + length) }, length: from + length };
}
