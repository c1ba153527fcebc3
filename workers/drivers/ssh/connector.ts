import { isIP } from 'node:net';
import { join } from 'node:path';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { OpenContext, Questions } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { Opening } from '../../../src/util/opening.js';
import { connectTo } from '../../../src/util/tcp.js';
import { algorithmsFor } from './algorithms.js';
import { Auth } from './auth.js';
import type { SshConnection } from './connection.js';
import { type Credentials, credentialsOf } from './credentials.js';
import { HostKey } from './host-key.js';
import { Identities } from './identity.js';
import { joinWrites } from './join-writes.js';
import { jump } from './jump.js';
import { KnownHostsFiles } from './known-hosts-file.js';
import { logIn } from './log-in.js';
import { NewHosts } from './new-hosts.js';
import { AWAITED, notOpened, type Phase } from './open-errors.js';
import { openByOpenSsh } from './openssh/open.js';
import type { Wire } from './wire.js';

const SYSTEM_KNOWN_HOSTS = '/etc/ssh/ssh_known_hosts';

/** Opens connections: files, look-up, TCP, key exchange, log-in, in this order. Keeps what it read of files. */
export class Connector {
  readonly #clock: Clock;
  readonly #identities: Identities;
  readonly #knownHosts = new KnownHostsFiles();
  readonly #newHosts = new NewHosts(this.#knownHosts);

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#identities = new Identities(clock);
  }

  async open(target: SshTarget, context: OpenContext): Promise<SshConnection> {
    const key = keyOf(target);
    const opening = new Opening(key, AWAITED, context, this.#clock, target.connectTimeoutMs);
    try {
      if (target.transport === 'openssh') return await openByOpenSsh(target, context, opening);
      return await this.#open(target, context, opening);
    } finally {
      opening.end();
    }
  }

  async #open(target: SshTarget, context: OpenContext, opening: Opening<Phase>): Promise<SshConnection> {
    const credentials = await opening.step(this.#credentials(target, context, opening));
    const hostKey = await opening.step(this.#hostKey(target));
    // Before anybody is connected to: a list may be one that cannot be had.
    const offer = algorithmsFor(hostKey.knownTypes, target.algorithms);
    const socket = target.jump
      ? await jump(target.jump, target, context, opening)
      : await connect(target, context, opening);
    opening.phase = 'key exchange';
    let handedOut = false;
    // Not the context itself: `lost` would keep what belongs to the opening alone.
    const { lost: report, ask } = context;
    const lost = (error: Error) => {
      if (handedOut) report(error);
    };
    try {
      const auth = new Auth(target.user, credentials);
      const askHostKey = (about: Questions['host_key']['about']) => ask('host_key', about);
      const connection = await opening.step(
        logIn(target, socket, { offer, hostKey, auth, opening, ask: askHostKey }, lost),
      );
      if (hostKey.isNew) await opening.step(this.#newHosts.write(hostKey, ask));
      // It may have ended meanwhile, when nobody was to be told.
      if (connection.state !== 'open') throw notOpened(opening.key, opening.phase, undefined, true, '');
      connection.logIn = { hostKey: hostKey.about, tries: auth.tries };
      handedOut = true;
      return connection;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      credentials.agent?.end();
    }
  }

  /** Not written out above: what a closure there names, `lost` would keep for as long as the connection lives. */
  #credentials(target: SshTarget, context: OpenContext, opening: Opening<Phase>): Promise<Credentials> {
    const secret = (reference: string) => context.ask('secret', reference);
    return credentialsOf(target, {
      identities: this.#identities,
      secret,
      clock: this.#clock,
      left: () => opening.left,
    });
  }

  async #hostKey(target: SshTarget): Promise<HostKey> {
    const files = target.knownHosts ?? [join(target.home ?? '/', '.ssh', 'known_hosts'), SYSTEM_KNOWN_HOSTS];
    const reading = files.map((file) => {
      const hosts = this.#knownHosts.read(file);
      // Without a check only revoked keys matter, and only where they can be read.
      return target.hostKeys === 'insecure' ? hosts.catch(() => undefined) : hosts;
    });
    return new HostKey(target, await Promise.all(reading), files[0] as string);
  }
}

/** `host:port`, an IPv6 address in brackets. */
export function keyOf({ host, port }: SshTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

async function connect(target: SshTarget, context: OpenContext, opening: Opening): Promise<Wire> {
  const { host, port, bindAddress, attempts = 1 } = target;
  const socket = await connectTo(
    {
      host,
      port,
      name: opening.key,
      source: bindAddress === undefined ? undefined : { address: bindAddress, option: 'BindAddress' },
      admit: (addresses) => ofFamily(addresses, target.addressFamily, opening.key),
      rounds: attempts,
    },
    context.ask,
    opening,
  );
  joinWrites(socket);
  return socket;
}

const FAMILIES = { inet: 4, inet6: 6 } as const;

function ofFamily(found: readonly string[], family: SshTarget['addressFamily'], key: string): readonly string[] {
  if (!family) return found;
  const addresses = found.filter((address) => isIP(address) === FAMILIES[family]);
  if (addresses.length > 0) return addresses;
  throw new KeylaneError('ERR_CONNECT', `${key}: no address is of AddressFamily ${family}`, { key, local: true });
}
