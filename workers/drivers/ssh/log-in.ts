import type { Socket } from 'node:net';
import { Client } from 'ssh2';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { Questions } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Offer } from './algorithms.js';
import type { Auth } from './auth.js';
import { SshConnection } from './connection.js';
import { Guard } from './guard.js';
import { gatherGreeting, onServerOffer } from './handshake.js';
import type { HostKey } from './host-key.js';
import { type KexFacts, negotiate, readOffer } from './kex-facts.js';
import { nothingInCommon, notOpened, notStrict } from './open-errors.js';
import type { Opening } from './opening.js';
import { printable } from './printable.js';
import { acceptAgentChannels, onRefusedAuth } from './transport.js';
import type { Wire } from './wire.js';

/**
 * Makes an SSH connection of a TCP connection. Whatever goes wrong before, during and after ends here: the listeners stay
 * for as long as the socket lives, because ssh2 may report one failure twice, and not at all as `close` (FACTS 7).
 */
export function logIn(
  target: SshTarget,
  socket: Wire,
  offer: Offer,
  hostKey: HostKey,
  auth: Auth,
  opening: Opening,
  lost: (error: Error) => void,
  ask: (about: Questions['host_key']['about']) => Promise<boolean>,
): Promise<SshConnection> {
  const { key, clock } = opening;
  const { promise, resolve, reject } = deferred<SshConnection>();
  const client = new Client();
  let connection: SshConnection | undefined;
  let guard: Guard | undefined;
  let facts: KexFacts | undefined;

  const ended = (cause?: Error) => {
    if (connection) {
      connection.end(hostKey.refusal ?? lostError(key, cause));
      return;
    }
    reject(hostKey.refusal ?? notOpened(key, opening.phase, cause, socket.bytesRead > 0, auth.explain()));
    socket.destroy();
  };

  client.on('error', (error: Error & { level?: string }) => {
    // ssh2 goes on with the next key by itself.
    if (error.level !== 'agent') ended(error);
  });
  socket.on('end', () => ended());
  socket.on('close', () => ended());
  client.on('handshake', () => {
    opening.phase = 'authentication';
  });
  client.on('change password', () => {
    ended(Object.assign(new Error('the password has expired'), { level: 'client-authentication' }));
  });
  // Once: a server may say it as often as it likes.
  client.once('ready', () => {
    connection = new SshConnection(client, socket, key, target, clock, lost, facts);
    guard?.loggedIn();
    resolve(connection);
  });

  // An answer that comes later is given on the first key exchange only: nothing else is on its way then (FACTS 2).
  const decide = (shown: Buffer, verify: (permitted: boolean) => void): boolean | undefined => {
    const question = hostKey.question(shown);
    if (!question) {
      const permitted = hostKey.verify(shown);
      if (hostKey.isChanged) auth.keepPasswords();
      return permitted;
    }
    const copy = Buffer.from(shown);
    opening
      .pause(ask(question))
      .then(
        (accepted) => {
          if (accepted === true) hostKey.approve(copy);
          else hostKey.declined(copy);
          verify(accepted === true && hostKey.verify(copy));
        },
        (error: unknown) => {
          hostKey.declined(copy, error);
          verify(false);
        },
      )
      .catch(() => socket.destroy());
    return undefined;
  };

  try {
    client.connect({
      // Its types ask for more of a stream than it uses.
      sock: socket as Socket,
      username: target.user,
      // Time is kept by Opening, and signs of life by SshConnection.
      readyTimeout: 0,
      keepaliveInterval: 0,
      algorithms: offer,
      // What the server asks of it goes to the agent by ssh2; the log-in has ways of its own.
      ...(target.forwardAgent && target.agent && { agent: target.agent, agentForward: true }),
      hostVerifier: (shown: Buffer, verify: (permitted: boolean) => void) => decide(shown, verify) as never,
      authHandler: (_left, _partial, next) => next(auth.next() as never),
    });
    if (target.forwardAgent) acceptAgentChannels(client);
    gatherGreeting(client);
    onServerOffer(client, (message, software) => {
      facts = agreed(key, offer, message, software);
    });
    guard = new Guard(client, key, clock, () => socket.bytesRead + socket.bytesWritten, ended);
    onRefusedAuth(client, (allowed, partial) => auth.refused(allowed, partial));
  } catch (error) {
    ended(error as Error);
  }
  return promise;
}

/** What the server's offer and ours come to. ssh2 would only say which kind fails first; undefined leaves it to ssh2. */
function agreed(key: string, ours: Offer, message: Buffer, software: string): KexFacts | undefined {
  const theirs = readOffer(message);
  const found = theirs && negotiate(ours, theirs);
  if (Array.isArray(found)) throw nothingInCommon(key, found);
  if (found && 'notStrict' in found) throw notStrict(key, found.notStrict);
  return found && { ...found, software: printable(software) };
}

function lostError(key: string, cause: Error | undefined): KeylaneError {
  if (cause instanceof KeylaneError) return cause;
  const how = cause ? `broke: ${printable(cause.message)}` : 'was closed by the other side';
  return new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${key} ${how}`, { key, cause });
}
