import { KeylaneError } from '../../../src/errors.js';
import type { SmtpTarget } from '../../../src/specs/smtp.js';
import type { OpenContext } from '../../../src/types.js';
import type { Clock } from '../../../src/util/clock.js';
import { Opening } from '../../../src/util/opening.js';
import { printable } from '../../../src/util/printable.js';
import { connectTo } from '../../../src/util/tcp.js';
import { Certificates } from './certificates.js';
import { Client } from './client.js';
import { type ConnectionHost, SmtpConnection } from './connection.js';
import { extensionsOf } from './extensions.js';
import { logIn } from './log-in.js';
import { AWAITED } from './open-errors.js';

/** Opens connections: certificates, look-up, TCP, greeting, TLS, log-in, in this order. */
export class Connector {
  readonly #clock: Clock;
  readonly #certificates: Certificates;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#certificates = new Certificates(clock);
  }

  async open(target: SmtpTarget, context: OpenContext, host: ConnectionHost): Promise<SmtpConnection> {
    checkName(target);
    const { key, host: name, port, sourceAddress, connectTimeoutMs } = target;
    const opening = new Opening(key, AWAITED, context, this.#clock, connectTimeoutMs);
    // Not the context itself: `lost` would keep what belongs to the opening alone.
    const { lost, ask } = context;
    try {
      const tls = await opening.step(this.#certificates.optionsFor(target.ca, target.key));
      const source = sourceAddress === undefined ? undefined : { address: sourceAddress, option: 'sourceAddress' };
      const socket = await connectTo({ name: key, host: name, port, source }, ask, opening);
      let client: Client | undefined;
      try {
        client = new Client(socket, target, tls, opening);
        await client.connect();
        const extensions = extensionsOf(client.ehlo);
        await logIn(client, target, ask);
        return new SmtpConnection(client.detach(), target, extensions, host, lost);
      } catch (error) {
        client?.destroy();
        socket.destroy();
        throw error;
      }
    } finally {
      opening.end();
    }
  }
}

/** It goes into a command. */
function checkName({ key, clientName }: SmtpTarget): void {
  if (clientName === undefined || /^[\w.:[\]-]{1,255}$/.test(clientName)) return;
  const message = `${key}: clientName: ${printable(JSON.stringify(clientName), 100)} is no host name and no address literal`;
  throw new KeylaneError('ERR_INPUT', message, { key });
}
