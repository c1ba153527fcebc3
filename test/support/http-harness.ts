import { createServer, type Server, type Socket } from 'node:net';
import type { HttpResponse } from '../../src/http-types.js';
import type { HttpOrder, HttpTarget } from '../../src/specs/http.js';
import type { Driver } from '../../src/types.js';
import { load } from '../../workers/drivers/http/index.js';
import type { OriginConnection } from '../../workers/drivers/http/origin-connection.js';
import { FakeExecute, FakeOpen } from './driver-context.js';
import { portOf } from './ports.js';

type HttpDriver = Driver<HttpTarget, OriginConnection, HttpOrder, HttpResponse>;

/** The driver `http` without an engine. Disposing of it closes all of its connections. */
export class HttpHarness {
  readonly #driver: Promise<HttpDriver> = load();
  readonly #open: OriginConnection[] = [];

  get driver(): Promise<HttpDriver> {
    return this.#driver;
  }

  async open(target: HttpTarget | string, answers: ConstructorParameters<typeof FakeOpen>[0] = {}, timeoutMs = 10_000) {
    const driver = await this.#driver;
    const context = new FakeOpen(answers, timeoutMs);
    const connection = await driver.open(typeof target === 'string' ? { origin: target } : target, context);
    this.#open.push(connection);
    const execute = async (order: Partial<HttpOrder> = {}, how: FakeExecute = new FakeExecute()) =>
      driver.execute(connection, { method: 'GET', path: '/', maxBodyBytes: 1 << 20, ...order }, how);
    /** Where the answer is known to be one. */
    const run = async (order: Partial<HttpOrder> = {}, how?: FakeExecute) =>
      (await execute(order, how)) as HttpResponse;
    return { connection, context, execute, run };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const driver = await this.#driver;
    await Promise.all(this.#open.map((connection) => driver.close(connection)));
  }
}

/** What is thrown or rejected with. */
export async function thrown(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a rejection');
}

/** A server of bytes. `asked` is called with each head of a request, and what had come of it. */
export interface RawOrigin {
  readonly origin: string;
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** Heads of requests, as they came. */
  readonly heads: string[];
  stop(): Promise<void>;
}

export async function startRawOrigin(asked: (socket: Socket, head: string, count: number) => void): Promise<RawOrigin> {
  const sockets = new Set<Socket>();
  const heads: string[] = [];
  const server: Server = createServer((socket) => {
    let text = '';
    let count = 0;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        heads.push(head);
        asked(socket, head, ++count);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = portOf(server);
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    sockets,
    heads,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
