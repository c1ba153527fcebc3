import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';
import type { OpenContext } from '../../../../src/types.js';
import type { Opening } from '../../../../src/util/opening.js';
import { SshConnection } from '../connection.js';
import { joinWrites } from '../join-writes.js';
import { jump } from '../jump.js';
import type { Phase } from '../open-errors.js';
import { kexFactsOf, logInOf } from './debug-lines.js';
import { startMaster } from './master.js';
import { MuxClient } from './mux-client.js';

/** Opens a connection by the system's `ssh`: it has the connection, and all above is as with ours. */
export async function openByOpenSsh(
  target: SshTarget,
  context: OpenContext,
  opening: Opening<Phase>,
): Promise<SshConnection> {
  const { key, clock } = opening;
  const way = target.jump && (await jump(target.jump, target, context, opening));
  const { channels, end, said } = await startMaster(target, context, opening, way).catch((error: unknown) => {
    way?.destroy();
    throw error;
  });
  if (way) channels.once('close', () => way.destroy());
  joinWrites(channels);
  const ended = (code: 'ERR_CONNECTION_LOST' | 'ERR_PROTOCOL', how: string) =>
    connection.end(new KeylaneError(code, `the connection to ${key} ${how}`, { key }));
  const client = new MuxClient(channels, end, ({ message }) => ended('ERR_PROTOCOL', `broke: ${message}`));
  // The master asks for signs of life itself, and ends when there are none.
  const connection = new SshConnection(
    client,
    channels,
    key,
    { ...target, keepaliveMs: 0 },
    clock,
    (error) => context.lost(error),
    target.told ? kexFactsOf(said) : undefined,
  );
  if (target.told) connection.logIn = logInOf(said, target.hostKeys);
  for (const event of ['end', 'close'])
    channels.on(event, () => ended('ERR_CONNECTION_LOST', 'was closed by the master of ssh'));
  channels.resume();
  return connection;
}
