import { homedir } from 'node:os';
import { loadProgram } from '../ssh-config/program.js';
import { Watch } from '../ssh-config/watch.js';
import type { Groups } from './groups.js';
import type { Mistakes } from './mistakes.js';
import { checkName } from './ranges.js';

/**
 * Takes the names of an ssh_config's Host lines for hosts, those of the files that it includes too; patterns are none.
 * What else it says of them, whoever connects reads from ssh_config itself.
 */
export function readSshAliases(file: string, groups: Groups, mistakes: Mistakes): void {
  const { blocks } = loadProgram([{ path: file, from: 'flag' }], homedir(), new Watch());
  for (const { condition } of blocks) {
    if (condition?.kind !== 'host') continue;
    const { patterns, place } = condition;
    for (const name of patterns.plain) {
      mistakes.entry(
        () => `${place.file}:${place.line}`,
        () => groups.join(groups.host(checkName(name)), groups.ungrouped),
      );
    }
  }
}
