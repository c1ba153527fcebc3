import { join } from 'node:path';
import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';

const METHODS = ['gssapi-with-mic', 'hostbased', 'publickey', 'password', 'keyboard-interactive'];
/** Seconds that a master stays without us: what is left of one after kill -9 of this process. */
const PERSIST_SECONDS = 2;
const STRICTNESS = { strict: 'yes', 'accept-new': 'accept-new', ask: 'ask', insecure: 'no' } as const;

/** What a master may ask us, as Answers has it; `proxy` is the ProxyCommand of a way that we have. */
interface Ways {
  answers: { keyboardInteractive: boolean } | undefined;
  proxy: string | undefined;
}

/** The command line of a master. What is said here goes before what `ssh` finds in ssh_config; no secret is in it. */
export function masterArguments(
  target: SshTarget,
  socket: string,
  milliseconds: number,
  { answers, proxy }: Ways,
): string[] {
  const { openSsh = { alias: target.host, config: 'none' }, hostKeys } = target;
  const options: [string, string | number][] = [
    ['ControlPersist', PERSIST_SECONDS],
    ['ControlPath', path('ControlPath', socket)],
    ['PreferredAuthentications', (target.methods ?? METHODS).join(',') || 'none'],
    ...promptOptions(target, answers),
    ['FingerprintHash', 'sha256'],
    ['LogLevel', target.told ? 'DEBUG1' : 'ERROR'],
    ['HostName', target.host],
    ['ConnectTimeout', seconds(milliseconds)],
    ['ConnectionAttempts', target.attempts ?? 1],
    ['ServerAliveInterval', seconds(target.keepaliveMs)],
    ['ServerAliveCountMax', Math.max(1, target.keepaliveCount)],
    ['StrictHostKeyChecking', STRICTNESS[hostKeys]],
    ['IdentitiesOnly', target.identitiesOnly ? 'yes' : 'no'],
    ['IdentityAgent', target.agent === undefined ? 'none' : path('agent', target.agent)],
    // What a configuration has for people at a terminal.
    ...['PermitLocalCommand', 'ClearAllForwardings:yes', 'Tunnel', 'UpdateHostKeys', 'AddKeysToAgent'].map(
      (name): [string, string] => (name.endsWith(':yes') ? [name.slice(0, -4), 'yes'] : [name, 'no']),
    ),
    ['RemoteCommand', 'none'],
    ['RequestTTY', 'no'],
  ];
  // The path, and not `yes`: a configuration may name another agent to forward.
  if (target.forwardAgent !== undefined) options.push(['ForwardAgent', path('forwardAgent', target.forwardAgent)]);
  for (const file of target.identities ?? []) options.push(['IdentityFile', path('identity', file)]);
  options.push(...hostKeyOptions(target));
  if (proxy !== undefined) options.push(['ProxyCommand', proxy]);
  const { kex, ciphers, macs, hostKeys: keyTypes } = target.algorithms ?? {};
  if (kex !== undefined) options.push(['KexAlgorithms', kex]);
  if (ciphers !== undefined) options.push(['Ciphers', ciphers]);
  if (macs !== undefined) options.push(['MACs', macs]);
  if (keyTypes !== undefined) options.push(['HostKeyAlgorithms', keyTypes]);
  if (target.bindAddress !== undefined) options.push(['BindAddress', target.bindAddress]);
  if (target.addressFamily !== undefined) options.push(['AddressFamily', target.addressFamily]);
  return [
    ...['-M', '-N', '-T', '-x'],
    ...(target.forwardAgent === undefined ? ['-a'] : []),
    ...(openSsh.config === 'default' ? [] : ['-F', openSsh.config]),
    ...['-l', target.user, '-p', String(target.port)],
    ...options.flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...['--', openSsh.alias],
  ];
}

/**
 * Nobody is asked where there is nothing to answer. A password goes in the order of ours, once: `ssh` would try three times.
 * Of a passphrase the second question is the only sign that it was wrong; it gets no answer.
 */
function promptOptions(target: SshTarget, answers: Ways['answers']): [string, string | number][] {
  if (!answers) return [['BatchMode', 'yes']];
  const hasPassword = target.password !== undefined;
  return [
    ['BatchMode', 'no'],
    ['NumberOfPasswordPrompts', target.passphrase === undefined ? 1 : 2],
    ['PasswordAuthentication', hasPassword ? 'yes' : 'no'],
    ['KbdInteractiveAuthentication', answers.keyboardInteractive ? 'yes' : 'no'],
  ];
}

/**
 * The files named are the only ones. Without a check no file is written: only revoked keys count, and a host whose key has
 * changed gets no password, which `ssh` sees to if it knows the files.
 */
function hostKeyOptions({ knownHosts, hostKeys, hostKeyAlias, hashKnownHosts, home }: SshTarget): [string, string][] {
  const options: [string, string][] = [];
  const files = knownHosts?.map((file) => path('knownHosts', file)).join(' ');
  if (hostKeys === 'insecure') {
    const own = path('knownHosts', join(home ?? '/', '.ssh', 'known_hosts'));
    options.push(['UserKnownHostsFile', '/dev/null']);
    options.push(['GlobalKnownHostsFile', files ?? `${own} /etc/ssh/ssh_known_hosts`]);
  } else if (files) {
    options.push(['UserKnownHostsFile', files], ['GlobalKnownHostsFile', '/dev/null']);
  }
  if (hostKeyAlias !== undefined) options.push(['HostKeyAlias', hostKeyAlias]);
  if (hashKnownHosts !== undefined) options.push(['HashKnownHosts', hashKnownHosts ? 'yes' : 'no']);
  return options;
}

/** A path that `ssh` takes as it is: quoted, without tokens. Its `${NAME}` cannot be escaped. */
function path(field: string, file: string): string {
  if (file.includes('$' + '{')) {
    throw new KeylaneError('ERR_CONFIG_UNSUPPORTED', `ssh.${field}: ssh would expand the \${ in ${file}; rename it`);
  }
  return `"${file.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}
