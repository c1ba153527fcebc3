import { spawnSync } from 'node:child_process';
import type { Sshd } from './sshd.js';

export type Tool = 'clush' | 'parallel-ssh';

/** clush's own default. parallel-ssh's is 32. */
export const FANOUT = 64;

const PACKAGES: Readonly<Record<Tool, string>> = { clush: 'clustershell', 'parallel-ssh': 'pssh' };

/** Which of the tools are on this machine, and what to say of the others. */
export function tools(): { present: Tool[]; notes: string[] } {
  const all: Tool[] = ['clush', 'parallel-ssh'];
  const present = all.filter((name) => spawnSync(name, ['--version']).error === undefined);
  const missing = all.filter((name) => !present.includes(name));
  return { present, notes: missing.map((name) => `${name} is missing: apt-get install ${PACKAGES[name]}`) };
}

/** `true` on every address by the tool, which starts OpenSSH's ssh for each; `more` are `-o` options for that. */
export function toolArgv(tool: Tool, sshd: Sshd, more: readonly string[] = []): string[] {
  const { addresses, user, port, identity, knownHosts } = sshd;
  const options = [
    `Port=${port}`,
    `IdentityFile=${identity}`,
    'IdentitiesOnly=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    ...more,
  ];
  if (tool === 'parallel-ssh') {
    const ssh = options.flatMap((option) => ['-O', option]);
    return [tool, '-H', addresses.join(' '), '-p', String(FANOUT), '-l', user, '-x', '-F none', ...ssh, 'true'];
  }
  // To clush a % is its own.
  const ssh = options.map((option) => `-o ${option.replaceAll('%', '%%')}`).join(' ');
  return [tool, '-S', '-f', String(FANOUT), '-l', user, '-o', `-F none ${ssh}`, '-w', addresses.join(','), 'true'];
}
