import { type ErrorCode, KeylaneError } from '../../../../src/errors.js';
import { printable } from '../../../../src/util/printable.js';

/** What `ssh` says when it cannot open a connection, and what that is with us. The first that fits counts. */
const MEANINGS: readonly { says: RegExp; code: ErrorCode; retryable?: false; local?: true }[] = [
  // A folder for temporary files from which nothing may be run.
  { says: /ssh_askpass: exec/, code: 'ERR_CONFIG_UNSUPPORTED' },
  { says: /Host key verification failed|host key .*revoked/i, code: 'ERR_HOST_KEY' },
  { says: /Could not resolve hostname/i, code: 'ERR_DNS' },
  { says: /Permission denied \(|Too many authentication failures|No more authentication methods/i, code: 'ERR_AUTH' },
  // After the log-in: where nobody minds the change, it goes on without a password.
  { says: /HOST IDENTIFICATION HAS CHANGED/, code: 'ERR_HOST_KEY' },
  {
    says: /Bad configuration option|terminating, \d+ bad configuration|Can't open user config|Bad .* spec/i,
    code: 'ERR_CONFIG',
  },
  { says: /Unable to negotiate/i, code: 'ERR_CONNECT', retryable: false },
  // What connect(2), socket(2) and their like say of this machine: the words for what src/errors.ts takes for local.
  {
    says: /^(?:ssh: connect to host .*|(?:socket|socketpair|pipe|bind|fork|getsockname|mm_\w+)\b.*): (?:Network is (?:unreachable|down)|Cannot assign requested address|Permission denied|Operation not permitted|Address family not supported by protocol|Too many open files(?: in system)?|No buffer space available|Cannot allocate memory|Resource temporarily unavailable)\s*$/im,
    code: 'ERR_CONNECT',
    local: true,
  },
];

/** Why the master of `ssh` did not come to be. */
export function notMastered(key: string, said: string): KeylaneError {
  const lines = said.split('\n').filter((line) => !line.startsWith('debug'));
  const telling = lines.map((line) => line.trim()).filter((line) => /\w/.test(line) && !line.startsWith('@'));
  const meaning = MEANINGS.find(({ says }) => says.test(lines.join('\n')));
  const message = `${key}: ssh could not connect: ${printable(telling.join('; ')) || 'it said nothing'}`;
  const { code = 'ERR_CONNECT', says: _, ...how } = meaning ?? {};
  return new KeylaneError(code, message, { key, ...how });
}

/** What has to be there before `ssh` starts: a folder, a socket, a process. The host has no part in it. */
export function notPrepared(key: string, cause: Error): KeylaneError {
  const message = `${key}: ssh could not be prepared: ${cause.message}`;
  return new KeylaneError('ERR_CONNECT', message, { key, cause, local: true });
}

/** `ssh` could not be started. */
export function notStarted(key: string, cause: Error & { code?: string }): KeylaneError {
  if (cause.code !== 'ENOENT')
    return new KeylaneError('ERR_CONNECT', `${key}: ssh did not start: ${cause.message}`, { key, cause, local: true });
  const message =
    "ssh.transport: there is no `ssh` here; install OpenSSH's client (openssh-client), or use `transport: 'ssh2'`";
  return new KeylaneError('ERR_CONFIG_UNSUPPORTED', message, { key, cause });
}
