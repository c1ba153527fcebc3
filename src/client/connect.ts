import { systemClock } from '../util/clock.js';
import { type Client, ServiceClient } from './client.js';
import { ServiceLink } from './link.js';
import { type ClientOptions, resolveClientOptions } from './options.js';

/**
 * A client of a running service (`keylane serve`, `createService`). Says nothing to it yet: a service that cannot be
 * reached is told by the first call (`ERR_CONNECT`). `close()` it in a `finally`.
 *
 * @throws KeylaneError `ERR_CONFIG` for a bad option, or a token that cannot be read.
 */
export async function connect(options: ClientOptions): Promise<Client> {
  const link = new ServiceLink(resolveClientOptions(options), systemClock);
  await link.ready();
  return new ServiceClient(link);
}
