import { randomUUID } from 'node:crypto';
import type { Stopped } from '../../../src/types.js';
import { scriptLine } from '../../../src/util/quote.js';

/** Whatever a command starts inherits this variable, whichever parent, session or process group it moves to. */
const MARK = 'KEYLANE_RUN';

/**
 * Finds what a command has started. Signals reach its process group only: a child that has left it (setsid, a daemon)
 * stays, and so does one that ignores SIGTERM where the command itself does not.
 */
export class Sweep {
  readonly #mark = `${MARK}=${randomUUID()}`;

  /** The command, marked. For any shell that knows `export`: those of POSIX, and fish. In csh the command runs unmarked. */
  mark(command: string): string {
    return `export ${this.#mark}; ${command}`;
  }

  /**
   * Kills all that bears the mark and says whether any is left. Linux: environments are read from /proc. Kills again for
   * as long as it finds something, because what forks may be faster than one look.
   */
  get script(): string {
    const lines = [
      // No mark, so nothing would be found, which proves nothing.
      'case "$SHELL" in *csh) echo unknown; exit;; esac',
      `f() { grep -lsaF ${this.#mark} /proc/[0-9]*/environ | sed 's#^/proc/##;s#/environ$##'; }`,
      '[ -r /proc/self/environ ] || { echo unknown; exit; }',
      'i=0',
      'while p=$(f); [ -n "$p" ] && [ $i -lt 20 ]; do kill -9 $p 2>/dev/null; i=$((i+1)); [ $i -lt 3 ] || sleep 0.05; done',
      'if [ -z "$p" ]; then echo killed; else echo left running; fi',
    ];
    return scriptLine(lines.join('\n'));
  }

  static read(output: string): Stopped {
    const said = output.trim();
    return said === 'killed' || said === 'left running' ? said : 'unknown';
  }
}
