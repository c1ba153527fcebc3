import { KeylaneError } from '../../../src/errors.js';

/** The server refused one variable. Nothing ran, and the connection is fine. */
export function envRefused(key: string, name: string): KeylaneError {
  const message = `ssh.env.${name}: ${key} refuses to set it; add \`AcceptEnv ${name}\` to its sshd_config, or set it in the command`;
  return new KeylaneError('ERR_INPUT', message, { key });
}

export function execRefused(key: string): KeylaneError {
  return new KeylaneError('ERR_CONNECT', `${key} refuses to run a command`, { key, retryable: false });
}

const PROHIBITED = 1;

export function sessionRefused(key: string, reason: number, description: string): KeylaneError {
  const message = `${key} takes no session: ${description || 'refused'} (reason ${reason})`;
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

/** The server closed the channel by itself. */
export function channelClosed(key: string, started: boolean): KeylaneError {
  const when = started ? 'without an exit status' : 'before the command was sent';
  const message = `${key} closed the channel ${when}`;
  return new KeylaneError('ERR_CONNECTION_LOST', message, { key, outcome: started ? 'unknown' : 'not_started' });
}

/** Why a request was called off, and what is known of its command, which was started. */
export function stoppedWith(reason: KeylaneError, known: string, key: string): KeylaneError {
  const outcome = reason.code === 'ERR_CANCELED' ? 'canceled' : 'unknown';
  return new KeylaneError(reason.code, `${reason.message}; ${known}`, { outcome, key, cause: reason.cause });
}
