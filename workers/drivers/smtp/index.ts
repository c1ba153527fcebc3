import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { SmtpOrder, SmtpTarget } from '../../../src/specs/smtp.js';
import type { Driver, DriverLimits } from '../../../src/types.js';
import { type Clock, systemClock } from '../../../src/util/clock.js';
import type { SmtpConnection } from './connection.js';
import { Connector } from './connector.js';
import { contentOf } from './content.js';
import { Sessions } from './sessions.js';

/** Mail, handed to submission servers. A connection sends one message at a time. */
export function load(clock: Clock = systemClock): Promise<Driver<SmtpTarget, SmtpConnection, SmtpOrder, SmtpResponse>> {
  const connector = new Connector(clock);
  const sessions = new Sessions(clock);
  return Promise.resolve({
    streams: 1,
    limits: ({ connections, maxAgeMs, quotas }): DriverLimits => ({
      connectionsPerLane: connections,
      connectionsPerKey: connections,
      maxLifetimeMs: maxAgeMs,
      quotas,
    }),
    units: ({ to }) => Math.max(1, to.length),
    open: (target, context) => connector.open(target, context, sessions),
    execute(connection, order, context) {
      const content = contentOf(order);
      if (!(content instanceof Promise)) return connection.send(order, content, context);
      return content.then((made) => connection.send(order, made, context));
    },
    ok: ({ step }) => step === undefined,
    reusable: (connection) => connection.reusable,
    check: (connection, withinMs) => connection.check(withinMs),
    close: (connection) => connection.close(),
  });
}
