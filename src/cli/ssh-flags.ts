import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ConfigFile, EngineOptions } from '../index.js';
import { askHostKey, canAsk } from './ask-host-key.js';
import { type ConfigFlags, configFlags } from './config-flags.js';
import { type FleetFlags, fleetFlags } from './fleet-flags.js';
import { type Io, UsageError } from './io.js';
import { duration, oneOf, reference, whole } from './values.js';

/** The flags of every command that speaks SSH. */
export interface SshFlags extends ConfigFlags, FleetFlags {
  user?: string;
  port?: number;
  identity: string[];
  passphrase?: string;
  password?: string;
  knownHosts?: string;
  hostKeys?: 'strict' | 'accept-new' | 'ask' | 'insecure';
  /** ssh_config's file, or `none`; undefined: the usual ones. */
  sshConfig?: string;
  jump?: string;
  /** Undefined: `auto`. */
  transport?: 'ssh2' | 'openssh' | 'auto';
  allowExec?: true;
  connectTimeout?: number;
}

export function sshFlags(command: Command): Command {
  return accessFlags(fleetFlags(configFlags(command)));
}

/** Of these flags those that say how hosts are reached and let us in. */
export function accessFlags(command: Command): Command {
  return command
    .optionsGroup('SSH:')
    .option('-l, --user <name>', 'user to log in as, where the host does not name one')
    .option('-p, --port <number>', 'port, where the host does not name one (default: 22)', whole('--port', 1, 65_535))
    .option(
      '-i, --identity <file>',
      'private key; may be repeated (default: the agent, then ~/.ssh/id_ed25519, id_ecdsa, id_rsa)',
      collect,
      [],
    )
    .option('--passphrase <ref>', "the private key's passphrase: env:NAME or file:PATH", reference('--passphrase'))
    .option('--password <ref>', 'password: env:NAME or file:PATH', reference('--password'))
    .option('-J, --jump <hosts>', 'go through these hosts: user@bastion:22,inner; none goes through none')
    .option('--known-hosts <file>', 'known_hosts file (default: ~/.ssh/known_hosts, then /etc/ssh/ssh_known_hosts)')
    .option(
      '--host-keys <policy>',
      'strict, accept-new, ask or insecure (default: strict)',
      oneOf('--host-keys', ['strict', 'accept-new', 'ask', 'insecure']),
    )
    .option('-F, --ssh-config <file>', 'ssh_config to read instead of ~/.ssh/config and /etc/ssh/ssh_config; or none')
    .option('--allow-exec', 'commands that ssh_config names may be run: Match exec, ProxyCommand, KnownHostsCommand')
    .option(
      '--transport <name>',
      "ssh2, openssh (the system's ssh) or auto: openssh only where ssh_config needs it (default: auto)",
      oneOf('--transport', ['ssh2', 'openssh', 'auto']),
    )
    .option('--connect-timeout <time>', 'for opening a connection (default: 10s)', duration('--connect-timeout', 1));
}

/** What these flags say to the engine. */
export interface SshSaid {
  /** What the command line does where nobody says otherwise: it reads ssh_config. */
  defaults: NonNullable<ConfigFile['ssh']>;
  flags: NonNullable<ConfigFile['ssh']>;
  /** How a person is asked, where one is there. */
  asking(io: Io): Pick<NonNullable<EngineOptions['ssh']>, 'confirmHostKey'>;
}

/** Throws a UsageError where a file is not there. */
export function sshSaid(flags: SshFlags): SshSaid {
  const { user, port, identity, passphrase, password, knownHosts, hostKeys, jump, transport, connectTimeout } = flags;
  for (const file of identity) checkReadable('-i', file);
  const { sshConfig } = flags;
  if (sshConfig !== undefined && sshConfig !== 'none') checkReadable('-F', sshConfig);
  return {
    defaults: { config: true, transport: 'auto' },
    flags: {
      ...(sshConfig !== undefined && { config: sshConfig === 'none' ? false : resolve(sshConfig) }),
      ...(transport !== undefined && { transport }),
      ...(flags.allowExec && { allowExec: true }),
      ...(hostKeys !== undefined && { hostKeys }),
      ...(user !== undefined && { user }),
      ...(port !== undefined && { port }),
      ...(identity.length > 0 && { identity: identity.map((file) => resolve(file)) }),
      ...(passphrase !== undefined && { passphrase }),
      ...(password !== undefined && { password }),
      ...(knownHosts !== undefined && { knownHosts: resolve(knownHosts) }),
      ...(jump !== undefined && { jump }),
      ...(connectTimeout !== undefined && { connectTimeoutMs: connectTimeout }),
    },
    asking: (io) => (canAsk(io) ? { confirmHostKey: (about) => askHostKey(about, io) } : {}),
  };
}

export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** A file that every host needs is looked at once, before any of them is. */
function checkReadable(flag: string, file: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new UsageError(`${flag} ${file}: ${(error as Error).message}`);
  }
}
