import type { DetachedOrder, ExecOrder, SshOrder } from '../../../src/specs/ssh.js';
import type { SshResponse } from '../../../src/ssh-types.js';
import type { ExecuteContext } from '../../../src/types.js';
import type { SshConnection } from './connection.js';
import { lookOf, readLook, readStart, removalOf, startOf } from './detached.js';
import { OwnContext } from './own-context.js';
import { probe } from './probe.js';
import { copy } from './sftp/copy.js';

/** Does on a connection what a request asks for. */
export function run(connection: SshConnection, order: SshOrder, context: ExecuteContext): Promise<SshResponse> {
  switch (order.op) {
    case 'exec': {
      const { detach: id } = order;
      return id === undefined ? connection.exec(order, context) : detach(connection, order, id, context);
    }
    case 'poll':
    case 'collect':
      return look(connection, order, context);
    case 'probe':
      return probe(connection);
    case 'put':
    case 'get':
      return copy(connection, order, context);
    default:
      return order satisfies never;
  }
}

async function detach(
  connection: SshConnection,
  order: ExecOrder,
  id: string,
  context: ExecuteContext,
): Promise<SshResponse> {
  return readStart(await connection.exec(startOf(order, id), context), id, connection.key);
}

async function look(connection: SshConnection, order: DetachedOrder, context: ExecuteContext): Promise<SshResponse> {
  const response = readLook(await connection.exec(lookOf(order), context), order, connection.key);
  const complete = order.op === 'collect' && response.detached?.running === false && !response.truncated;
  // Only what has arrived is removed. If that fails the answer is no less true, and the next `collect` tries again.
  if (complete) await connection.exec(removalOf(order.id), new OwnContext()).catch(() => undefined);
  return response;
}
