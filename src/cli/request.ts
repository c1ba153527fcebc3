import type { HostAddress, SshRequest } from '../index.js';
import type { ExecFlags } from './flags.js';

/** What one host is asked. User and port of the host go before those of the flags. */
export function requestOf(
  address: HostAddress,
  words: readonly string[],
  flags: Pick<ExecFlags, 'argv' | 'shell'>,
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
    ...(stdin === undefined ? {} : { stdin }),
    encoding: 'buffer',
  };
}
