import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createService, type Service, type ServiceOptions } from 'keylane/server';

/** A directory of its own, gone with the process's tests: call what comes back when they are over. */
export function newDataDir(): { dataDir: string; remove: () => void } {
  const dataDir = mkdtempSync(join(tmpdir(), 'keylane-service-'));
  return { dataDir, remove: () => rmSync(dataDir, { recursive: true, force: true }) };
}

/** A service with a data directory of its own and one shard, for a test file: `stop` it in `afterAll`. */
export class TestService {
  readonly service: Service;
  readonly dataDir: string;
  readonly #remove: () => void;

  private constructor(service: Service, dataDir: string, remove: () => void) {
    this.service = service;
    this.dataDir = dataDir;
    this.#remove = remove;
  }

  static async start({ engine, ...options }: ServiceOptions = {}): Promise<TestService> {
    const { dataDir, remove } = newDataDir();
    const service = await createService({ port: 0, ...options, engine: { shards: 1, dataDir, ...engine } });
    return new TestService(service, dataDir, remove);
  }

  async stop(): Promise<void> {
    await this.service.destroy('the tests are over');
    this.#remove();
  }

  /** As the bearer of the token of the first start, unless `headers` says otherwise. A body is sent as JSON. */
  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.service.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.service.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
}
