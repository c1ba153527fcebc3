import type { Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import type { SshTarget } from '../../../src/specs/ssh.js';
import type { Questions } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Opening } from '../../../src/util/opening.js';
import { printable } from '../../../src/util/printable.js';
import type { Offer } from './algorithms.js';
import type { Auth } from './auth.js';
import { SshConnection } from './connection.js';
import { Guard } from './guard.js';
import { gatherGreeting, onServerOffer } from './handshake.js';
import type { AcceptedKey, HostKey } from './host-key.js';
import { type KexFacts, negotiate, readOffer } from './kex-facts.js';
import { nothingInCommon, notOpened, notStrict, type Phase } from './open-errors.js';
import { Client } from './ssh2.js';
import { acceptAgentChannels, onRefusedAuth } from './transport.js';
import type { Wire } from './wire.js';

/** What a log-in needs, passwords among it. */
export interface LogIn {
  offer: Offer;
  hostKey: HostKey;
  auth: Auth;
  opening: Opening<Phase>;
  /** Asks a person about the host's key. */
  ask(about: Questions['host_key']['about']): Promise<boolean>;
}

/**
 * Makes an SSH connection of a TCP connection. Whatever goes wrong before, during and after ends here: the listeners stay
 * for as long as the socket lives, because ssh2 may report one failure twice, and not at all as `close` (FACTS 7). What
 * only the log-in needs is dropped when it is over: of 30 kB a connection 8 were that.
 */
export function logIn(
  target: SshTarget,
  socket: Wire,
  how: LogIn,
  lost: (error: Error) => void,
): Promise<SshConnection> {
  const { key, clock } = how.opening;
  const { promise, resolve, reject } = deferred<SshConnection>();
  const client = new Client();
  let before: LogIn | undefined = how;
  let accepted: AcceptedKey | undefined;
  let connection: SshConnection | undefined;
  let guard: Guard | undefined;
  let facts: KexFacts | undefined;

  const ended = (cause?: Error) => {
    connection?.end(accepted?.refusal ?? lostError(key, cause));
    if (!before) return;
    const { hostKey, auth, opening } = before;
    const refusal = hostKey.refusal ?? hostKey.accepted?.refusal;
    reject(refusal ?? notOpened(key, opening.phase, cause, socket.bytesRead > 0, auth.explain()));
    socket.destroy();
  };

  client.on('error', (error: Error & { level?: string }) => {
    // ssh2 goes on with the next key by itself.
    if (error.level !== 'agent') ended(error);
  });
  socket.on('end', () => ended());
  socket.on('close', () => ended());
  client.on('handshake', () => {
    if (before) before.opening.phase = 'authentication';
  });
  client.on('change password', () => {
    ended(Object.assign(new Error('the password has expired'), { level: 'client-authentication' }));
  });
  // Once: a server may say it as often as it likes.
  client.once('ready', () => {
    connection = new SshConnection(client, socket, key, target, clock, lost, facts);
    guard?.loggedIn();
    accepted = before?.hostKey.accepted;
    before = undefined;
    resolve(connection);
  });

  const verify = (shown: Buffer, answer: (permitted: boolean) => void): boolean | undefined => {
    const known = accepted ?? before?.hostKey.accepted;
    if (known) return known.verify(shown);
    return before ? decide(shown, before, answer, () => socket.destroy()) : false;
  };

  try {
    client.connect({
      // Its types ask for more of a stream than it uses.
      sock: socket as Socket,
      username: target.user,
      // Time is kept by Opening, and signs of life by SshConnection.
      readyTimeout: 0,
      keepaliveInterval: 0,
      algorithms: how.offer,
      // What the server asks of it goes to the agent by ssh2; the log-in has ways of its own.
      ...(target.forwardAgent !== undefined && { agent: target.forwardAgent, agentForward: true }),
      hostVerifier: (shown: Buffer, answer: (permitted: boolean) => void) => verify(shown, answer) as never,
      authHandler: (_left, _partial, next) => next((before?.auth.next() ?? false) as never),
    });
    if (target.forwardAgent !== undefined) acceptAgentChannels(client);
    gatherGreeting(client);
    onServerOffer(client, (message, software) => {
      facts = before && agreed(key, before.offer, message, software);
    });
    guard = new Guard(client, key, clock, () => socket.bytesRead + socket.bytesWritten, ended);
    onRefusedAuth(client, (allowed, partial) => before?.auth.refused(allowed, partial));
  } catch (error) {
    ended(error as Error);
  }
  return promise;
}

/**
 * May the host go on with the key that it shows? An answer that comes later (undefined) is given on the first key exchange
 * only: nothing else is on its way then (FACTS 2).
 */
function decide(
  shown: Buffer,
  { hostKey, auth, opening, ask }: LogIn,
  answer: (permitted: boolean) => void,
  broken: () => void,
): boolean | undefined {
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
        answer(accepted === true && hostKey.verify(copy));
      },
      (error: unknown) => {
        hostKey.declined(copy, error);
        answer(false);
      },
    )
    .catch(broken);
  return undefined;
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
