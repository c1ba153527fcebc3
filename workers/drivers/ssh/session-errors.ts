import { KeylaneError } from '../../../src/errors.js';
import type { Stopped } from '../../../src/types.js';
import { printable } from '../../../src/util/printable.js';

/** The server refused one variable. Nothing ran, and the connection is fine. */
export function envRefused(key: string, name: string): KeylaneError {
  const message = `ssh.env.${name}: ${key} refuses to set it; add \`AcceptEnv ${name}\` to its sshd_config, or set it in the command`;
  return new KeylaneError('ERR_INPUT', message, { key });
}

export function ptyRefused(key: string): KeylaneError {
  const message = `ssh.pty: ${key} gives no terminal (sshd's PermitTTY); leave \`pty\` out`;
  return new KeylaneError('ERR_INPUT', message, { key });
}

export function execRefused(key: string): KeylaneError {
  return new KeylaneError('ERR_CONNECT', `${key} refuses to run a command`, { key, retryable: false });
}

const PROHIBITED = 1;

export function sessionRefused(key: string, reason: number, description: string): KeylaneError {
  const message = `${key} takes no session: ${printable(description) || 'refused'} (reason ${reason})`;
  return new KeylaneError('ERR_CONNECT', message, { key, retryable: reason !== PROHIBITED });
}

export function windowOverrun(key: string): KeylaneError {
  return new KeylaneError('ERR_PROTOCOL', `${key} sent more than it was allowed to`, { key });
}

/** No answer in time. `started`: the command had been sent. */
export function unanswered(key: string, started: boolean, ms: number): KeylaneError {
  const what = started ? 'start of a command' : 'opening of a channel';
  const message = `${key} did not answer the ${what} within ${Math.round(ms)} ms`;
  return new KeylaneError('ERR_CONNECTION_LOST', message, { key, outcome: started ? 'unknown' : 'not_started' });
}

/** The end of a connection, as it looks to one command. */
export function cutShort(key: string, started: boolean, cause: KeylaneError): KeylaneError {
  return new KeylaneError(cause.code, cause.message, { key, cause, outcome: started ? 'unknown' : 'not_started' });
}

/** The status is known and the output may be incomplete: that is no answer. */
export function outputCut(key: string, how: string, cause: KeylaneError): KeylaneError {
  const message = `${key} ended the command (${how}), but its output was cut`;
  return new KeylaneError('ERR_CONNECTION_LOST', message, { key, cause, outcome: 'unknown' });
}

/** The status is known, the channel still open, and the server silent. */
export function unheard(key: string): KeylaneError {
  return new KeylaneError('ERR_CONNECTION_LOST', `the connection to ${key} gave no sign of life`, { key });
}

/** The server closed the channel by itself. */
export function channelClosed(key: string, started: boolean): KeylaneError {
  const when = started ? 'without an exit status' : 'before the command was sent';
  const message = `${key} closed the channel ${when}`;
  return new KeylaneError('ERR_CONNECTION_LOST', message, { key, outcome: started ? 'unknown' : 'not_started' });
}

/** Why a request was called off, and what is known of its command, which was started. */
export function stoppedWith(reason: KeylaneError, known: Known, key: string): KeylaneError {
  const outcome = reason.code === 'ERR_CANCELED' ? 'canceled' : 'unknown';
  const { stopped, says } = known;
  return new KeylaneError(reason.code, `${reason.message}; ${says}`, { outcome, key, stopped, cause: reason.cause });
}

/** What is known of a command that was told to stop. */
export interface Known {
  stopped: Stopped;
  says: string;
}

const WHO_KNOWS = 'and nobody knows whether it still runs';
export const NOBODY_KNOWS = {
  channelClosed: { stopped: 'unknown', says: `the channel was closed, ${WHO_KNOWS}` },
  connectionLost: { stopped: 'unknown', says: `the connection was lost, ${WHO_KNOWS}` },
  noEnd: { stopped: 'unknown', says: `SIGTERM and SIGKILL were sent, it did not end, ${WHO_KNOWS}` },
} as const satisfies Record<string, Known>;

/** No output for too long. */
export function silent(ms: number): KeylaneError {
  return new KeylaneError('ERR_TIMEOUT', `the command wrote nothing for ${ms} ms`);
}

/** What a request is called off with. */
export function asCanceled(reason: Error): KeylaneError {
  return reason instanceof KeylaneError ? reason : new KeylaneError('ERR_CANCELED', undefined, { cause: reason });
}
