import { homedir } from 'node:os';
import { printResolved } from '../targets/ssh-config/print.js';
import { SshConfigFiles, usualFiles } from '../targets/ssh-config/ssh-config.js';
import type { Found } from '../targets/ssh-config/types.js';
import { systemClock } from '../util/clock.js';

/** What ssh_config says of a host. */
export interface SshConfigDescription {
  /** Every option, one to a line, in the format and with the names of `ssh -G`. */
  text: string;
  /** Values by lower-case keyword, and where each was written; without a place it is a default or the caller's. */
  values: Record<string, { value: string; file?: string; line?: number }>;
  /** What nothing here does: requests for the host are refused. */
  unsupported: readonly Found[];
  /** What only the transport `openssh` does. */
  needsOpenSsh: readonly Found[];
  /** What is harmless to leave out. */
  ignored: readonly Found[];
}

/**
 * Reads ssh_config for one host, without a connection. Rejects with `ERR_CONFIG` that names file, line and directive, or
 * `ERR_CONFIG_UNSUPPORTED`.
 */
export async function describeSshConfig(
  host: string,
  options: { config?: boolean | string; allowExec?: boolean; user?: string; port?: number } = {},
): Promise<SshConfigDescription> {
  const { config = true, allowExec = false, user, port } = options;
  const flag = config === false ? 'none' : config === true ? undefined : config;
  const files = new SshConfigFiles({ files: usualFiles(homedir(), flag), allowExec, clock: systemClock });
  const resolved = await files.resolve({ host, user, port });
  const text = printResolved(resolved);
  const values: SshConfigDescription['values'] = {};
  for (const line of text.trimEnd().split('\n')) {
    const [keyword = '', ...words] = line.split(' ');
    const before = values[keyword];
    if (before) before.value += `, ${words.join(' ')}`;
    else values[keyword] = { value: words.join(' '), ...resolved.where(keyword) };
  }
  const { unsupported, needsOpenSsh, ignored } = resolved;
  return { text, values, unsupported, needsOpenSsh, ignored };
}
