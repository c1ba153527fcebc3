import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type Agent, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { Cli } from '../e2e/exec-cli.ts';
import { killTree, runs } from './process-tree.ts';
import { until } from './until.ts';

/** Tests of a file may run at once, so what they leave is cleared away at its end. */
const CLEANUPS: (() => void | Promise<void>)[] = [];
afterAll(async () => {
  for (const cleanup of CLEANUPS.splice(0).reverse()) await cleanup();
});

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

export interface Asked {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  agent?: Agent;
}

/** `keylane serve` in a process of its own, gone when the file's tests are over. Its port is any free one unless `args` say. */
export class Serving extends Cli {
  url = '';
  readonly dataDir: string;

  constructor(args: readonly string[] = [], dataDir = folder(), env: Readonly<Record<string, string>> = {}) {
    const own = ['serve', '--config', 'none', '--listen', '127.0.0.1:0', '--data-dir', dataDir, '--shards', '1'];
    super([...own, ...args], env);
    this.dataDir = dataDir;
    const { pid } = this.child;
    CLEANUPS.push(async () => {
      if (pid === undefined || !runs(pid)) return;
      const killed = killTree(pid);
      // Until its last turn it may still be writing to a folder that is to be removed.
      await until(() => !killed.some(runs));
    });
  }

  /** Resolves when it is ready. */
  static async start(...how: ConstructorParameters<typeof Serving>): Promise<Serving> {
    const serving = new Serving(...how);
    await serving.until('out', '\n');
    serving.url = /https?:\/\/\S+/.exec(serving.out)?.[0] ?? '';
    return serving;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get token(): string {
    const file = join(this.dataDir, 'serve.token');
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  }

  /** One request. Rejects where there is no answer. */
  ask(path: string, asked: Asked = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.begin(path, asked, async (response) => {
        let text = '';
        try {
          for await (const piece of response.setEncoding('utf8')) text += piece;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        } catch (error) {
          reject(error);
        }
      }).once('error', reject);
    });
  }

  /** The same, and the answer as it comes. */
  begin(path: string, { method, body, headers, agent }: Asked, call: (response: IncomingMessage) => void) {
    const asked = request(
      new URL(path, this.url),
      {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(agent && { agent }),
      },
      call,
    );
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return asked;
  }

  /** An echo that takes so long. */
  echo(delayMs: number, asked: Asked = {}): Promise<Answer> {
    const body = { driver: 'echo', request: { key: 'a', payload: 'x', delayMs } };
    return this.ask('/v1/run', { ...asked, body });
  }

  /** Resolves when it is connected. */
  async socket(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1');
    CLEANUPS.push(() => void socket.destroy());
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).on('error', reject));
    return socket;
  }
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-serve-'));
  CLEANUPS.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
