import { readdirSync, readFileSync } from 'node:fs';

/** Processes of masters of `ssh` whose command line has the text, as that of an identity's path. */
export function masters(text: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return argv[0]?.endsWith('ssh') && argv.includes('-M') && argv.some((word) => word.includes(text));
      } catch {
        return false;
      }
    })
    .map(Number);
}
