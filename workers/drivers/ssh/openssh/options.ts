import { KeylaneError } from '../../../../src/errors.js';
import type { SshTarget } from '../../../../src/specs/ssh.js';

/** Seconds that a master stays without us: what is left of one after kill -9 of this process. */
const PERSIST_SECONDS = 2;
const STRICTNESS = { strict: 'yes', 'accept-new': 'accept-new', insecure: 'no' } as const;

/**
 * The command line of a master. What is said here goes before what `ssh` finds in ssh_config; no secret is in it. Rejects
 * with `ERR_CONFIG_UNSUPPORTED` what this transport does not do.
 */
export function masterArguments(target: SshTarget, socket: string, milliseconds: number, proxy?: string): string[] {
  const { openSsh = { alias: target.host, config: 'none' }, hostKeys } = target;
  refuse(target);
  const options: [string, string | number][] = [
    ['ControlPersist', PERSIST_SECONDS],
    ['ControlPath', path('ControlPath', socket)],
    ['BatchMode', 'yes'],
    ['LogLevel', 'ERROR'],
    ['HostName', target.host],
    ['ConnectTimeout', seconds(milliseconds)],
    ['ConnectionAttempts', 1],
    ['ServerAliveInterval', seconds(target.keepaliveMs)],
    ['ServerAliveCountMax', Math.max(1, target.keepaliveCount)],
    ['StrictHostKeyChecking', STRICTNESS[hostKeys as keyof typeof STRICTNESS]],
    ['IdentitiesOnly', target.identitiesOnly ? 'yes' : 'no'],
    ['IdentityAgent', target.agent === undefined ? 'none' : path('agent', target.agent)],
    // What a configuration has for people at a terminal.
    ...['PermitLocalCommand', 'ClearAllForwardings:yes', 'Tunnel', 'UpdateHostKeys', 'AddKeysToAgent'].map(
      (name): [string, string] => (name.endsWith(':yes') ? [name.slice(0, -4), 'yes'] : [name, 'no']),
    ),
    ['RemoteCommand', 'none'],
    ['RequestTTY', 'no'],
  ];
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
    ...['-M', '-N', '-T', '-a', '-x'],
    ...(openSsh.config === 'default' ? [] : ['-F', openSsh.config]),
    ...['-l', target.user, '-p', String(target.port)],
    ...options.flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...['--', openSsh.alias],
  ];
}

function refuse(target: SshTarget): void {
  const why = target.forwardAgent
    ? "ssh.forwardAgent: the transport openssh forwards no agent; use `transport: 'ssh2'`"
    : target.password !== undefined || target.passphrase !== undefined
      ? "ssh.password, ssh.passphrase: the transport openssh takes none; use a key or an agent, or `transport: 'ssh2'`"
      : target.hostKeys === 'ask'
        ? "ssh.hostKeys: the transport openssh cannot ask; use 'strict' or 'accept-new'"
        : undefined;
  if (why !== undefined) throw new KeylaneError('ERR_CONFIG_UNSUPPORTED', why);
}

/** The files named are the only ones. Without a check no file is written, and only revoked keys count. */
function hostKeyOptions({ knownHosts, hostKeys, hostKeyAlias, hashKnownHosts }: SshTarget): [string, string][] {
  const options: [string, string][] = [];
  const files = knownHosts?.map((file) => path('knownHosts', file)).join(' ');
  if (hostKeys === 'insecure') {
    options.push(['UserKnownHostsFile', '/dev/null']);
    if (files) options.push(['GlobalKnownHostsFile', files]);
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
