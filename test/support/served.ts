import type { EngineOptions } from 'keylane';
import { connect, type Requester } from 'keylane/client';
import { createService } from 'keylane/server';
import { newDataDir } from './service.js';

/** An engine behind a service, held by a client: what a program uses of both is the same. Closing it closes both. */
export async function servedEngine({ closeTimeoutMs, ...engine }: EngineOptions = {}): Promise<Requester> {
  const { dataDir, remove } = newDataDir();
  const service = await createService({
    port: 0,
    ...(closeTimeoutMs !== undefined && { closeTimeoutMs }),
    engine: { shards: 1, dataDir, ...engine, ...(closeTimeoutMs !== undefined && { closeTimeoutMs }) },
  });
  const client = await connect({ url: service.url, token: service.token });
  // What is in flight is told by the service before the client is gone.
  const close = async () => {
    await service.close();
    await client.close();
    remove();
  };
  const destroy = async (reason?: string) => {
    await Promise.all([service.destroy(reason), client.destroy(reason)]);
    remove();
  };
  return {
    run: (driver, request, options) => client.run(driver, request, options),
    result: (driver, request, options) => client.result(driver, request, options),
    stream: (driver, request, options) => client.stream(driver, request, options),
    batch: (driver, requests, options) => client.batch(driver, requests, options),
    stats: () => client.stats(),
    keys: (options) => client.keys(options),
    close,
    destroy,
    [Symbol.asyncDispose]: close,
  };
}
