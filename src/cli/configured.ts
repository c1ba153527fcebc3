import { type Config, type ConfigFile, type EngineOptions, KeylaneError, loadConfig } from '../index.js';
import { canAsk } from './ask-host-key.js';
import type { ConfigFlags } from './config-flags.js';
import { type Io, UsageError } from './io.js';
import { type SshFlags, sshSaid } from './ssh-flags.js';

/** Flags of the engine that some commands have. */
interface EngineFlags extends SshFlags {
  shards?: number;
}

/** What a command says beside its flags: `defaults` go after the configuration, `flags` before it. */
export interface CommandSays {
  defaults?: ConfigFile;
  flags?: ConfigFile;
}

/** A command's configuration. */
export interface Configured {
  config: Config;
  /** For the engine. */
  options: EngineOptions;
  /** What flags say of all hosts. */
  said: NonNullable<ConfigFile['ssh']>;
}

/** Where flags meet configuration: the engine's options for a command, and the configuration that they are of. */
export async function configured(flags: EngineFlags, io: Io, says: CommandSays = {}): Promise<Configured> {
  const { shards, connectTimeout } = flags;
  const ssh = sshSaid(flags);
  const config = await configOf(flags, io, {
    defaults: { ...says.defaults, ssh: { ...ssh.defaults, ...says.defaults?.ssh } },
    flags: {
      ...says.flags,
      ...(shards !== undefined && { shards }),
      ...(connectTimeout !== undefined && { limits: { connectTimeoutMs: connectTimeout } }),
      ssh: { ...ssh.flags, ...says.flags?.ssh },
    },
  });
  const { engine } = config;
  if (engine.ssh?.hostKeys === 'ask' && !canAsk(io)) {
    throw new UsageError('--host-keys ask: there is no terminal to ask on; write strict, accept-new or insecure');
  }
  return { config, said: ssh.flags, options: { ...engine, ssh: { ...engine.ssh, ...ssh.asking(io) } } };
}

/** The configuration of a command that has no engine, or not yet. */
export async function configOf(
  { config: file, dataDir, cwd }: ConfigFlags,
  { env }: Pick<Io, 'env'>,
  { defaults = {}, flags = {} }: CommandSays = {},
): Promise<Config> {
  return asConfigured(() =>
    loadConfig({
      env,
      ...(file !== undefined && { file }),
      ...(cwd !== undefined && { cwd }),
      defaults,
      flags: { ...flags, ...(dataDir !== undefined && { dataDir }) },
    }),
  );
}

/** What is wrong with the configuration is wrong with the command line: exit status 2. */
export async function asConfigured<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KeylaneError && error.code.startsWith('ERR_CONFIG')) throw new UsageError(error.message);
    throw error;
  }
}
