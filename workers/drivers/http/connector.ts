import { isIP, type Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { HttpTarget } from '../../../src/specs/http.js';
import type { OpenContext } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { deniedBy } from '../../../src/util/networks.js';
import { Opening } from '../../../src/util/opening.js';
import { connectTo } from '../../../src/util/tcp.js';
import { H1Connection } from './h1.js';
import { H2Connection } from './h2.js';
import { AWAITED } from './open-errors.js';
import type { OriginConnection, Route } from './origin-connection.js';
import { secure, trustOf } from './tls.js';
import { tunnel } from './tunnel.js';

/** A connection to an origin: looked up, let through by the policy, connected, through a proxy, with TLS, as asked. */
export async function openTo(target: HttpTarget, context: OpenContext, clock: Clock): Promise<OriginConnection> {
  const { origin, proxy } = target;
  const url = new URL(origin);
  const isSecure = url.protocol === 'https:';
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const port = Number(url.port || (isSecure ? 443 : 80));
  const opening = new Opening(origin, AWAITED, context, clock);
  let socket: Socket | undefined;
  try {
    // Through a proxy, too, an address is what will be connected to.
    if (isIP(host)) admit(origin, [host], target);
    const trust = isSecure ? await opening.step(trustOf(target, context.ask)) : undefined;
    const authorization = proxy && (await opening.step(authorizationOf(proxy, context.ask)));
    const next = proxy ?? { host, port };
    const to = proxy ? `${proxy.host}:${proxy.port}` : origin;
    const admitted = (addresses: readonly string[]) => admit(to, addresses, target);
    const peer = { host: next.host, port: next.port, name: to, admit: admitted };
    socket = await connectTo(peer, context.ask, opening);
    const route: Route = { origin, host: url.host, secure: isSecure };
    if (proxy && !isSecure)
      return new H1Connection(socket, { ...route, forward: { proxy: to, authorization } }, context.lost);
    if (proxy) await tunnel(socket, { proxy: to, to: `${url.hostname}:${port}`, authorization }, opening);
    if (!isSecure) return new H1Connection(socket, route, context.lost);
    const { servername = host, http2 = false } = target;
    const secured = await secure(socket, { host: servername, http2, trust }, opening);
    if (secured.alpnProtocol !== 'h2') return new H1Connection(secured, route, context.lost);
    const connection = new H2Connection(secured, route, context.lost);
    opening.phase = 'HTTP/2 settings';
    await opening.step(connection.settled);
    return connection;
  } catch (error) {
    socket?.destroy();
    throw error;
  } finally {
    opening.end();
  }
}

/** Those of the addresses that may be connected to. */
function admit(to: string, addresses: readonly string[], { deny, allow }: HttpTarget): readonly string[] {
  if (deny === undefined) return addresses;
  let why = '';
  const admitted = addresses.filter((address) => {
    const network = deniedBy(address, { deny, allow });
    if (network !== undefined) why = `${address} is in ${network}`;
    return network === undefined;
  });
  if (admitted.length > 0) return admitted;
  const fix = 'whoever runs this may allow it by `http.allow`, or name the origin in `http.origins`';
  throw new KeylaneError('ERR_DENIED', `${to}: ${why}, which may not be connected to; ${fix}`, { key: to });
}

/** (RFC 7617) */
async function authorizationOf(
  { user, password }: NonNullable<HttpTarget['proxy']>,
  ask: OpenContext['ask'],
): Promise<string | undefined> {
  if (user === undefined) return undefined;
  const secret = password === undefined ? '' : await ask('secret', password);
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}
