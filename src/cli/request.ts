import type { FleetHost, SshRequest } from '../index.js';
import type { ExecFlags } from './flags.js';

/** What one host is asked. What is known of the host goes before what the flags say of all. */
export function requestOf(
  address: FleetHost['request'],
  words: readonly string[],
  flags: ExecFlags,
  stdin: Buffer | undefined,
): SshRequest {
  const joined = words.join(' ');
  return {
    ...address,
    ...(flags.argv
      ? { argv: words }
      : flags.shell === undefined
        ? { command: joined }
        : { argv: [flags.shell, '-c', joined] }),
    ...(stdin !== undefined && { stdin }),
    ...(flags.pty && { pty: true }),
    ...(flags.sudo && { sudo: sudoOf(flags) }),
    ...(flags.killTree && { killTree: true }),
    ...(flags.silence !== undefined && { silenceMs: flags.silence }),
    ...(flags.detach && { detach: flags.detach === true ? true : { id: flags.detach } }),
    encoding: 'buffer',
  };
}

function sudoOf({ sudo, sudoPassword }: ExecFlags): NonNullable<SshRequest['sudo']> {
  return {
    ...(typeof sudo === 'string' && { user: sudo }),
    ...(sudoPassword !== undefined && { password: sudoPassword }),
  };
}
