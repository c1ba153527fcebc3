import { KeylaneError } from '../../../src/errors.js';
import type { StdioTarget } from '../../../src/specs/stdio.js';
import { printable } from '../../../src/util/printable.js';
import type { Child, Ending } from './child.js';
import type { Tail } from './tail.js';

/** Of what a process wrote, in an error. */
const MOST_QUOTED = 1_000;

/** The operating system would not start it. */
export function notStarted({ name, command, cwd }: StdioTarget, cause: NodeJS.ErrnoException): KeylaneError {
  const what = printable(JSON.stringify(command));
  const where = cwd === undefined ? '' : `, or no folder ${printable(JSON.stringify(cwd))}`;
  const why =
    cause.code === 'ENOENT'
      ? `there is no command ${what}${where}: write its whole path, or add its folder to PATH`
      : `${what} could not be started: ${printable(cause.message)}${FIXES[cause.code ?? ''] ?? ''}`;
  return new KeylaneError('ERR_SPAWN', `${name}: ${why}`, { key: name, cause });
}

const FIXES: Readonly<Record<string, string>> = {
  EACCES: ': it must be a file that may be run (chmod +x)',
  ENOEXEC: ': it is no program for this machine, or a script without its first line (#!)',
  E2BIG: ': its words and variables are more than the system takes',
};

export function told({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : signal;
}

/** What it wrote last, as the end of an error's message. */
export function heardFrom(child: Child, noise: Tail): string {
  return quoted('stderr', child.stderr, child) + quoted('stdout, no message', noise, child);
}

function quoted(where: string, tail: Tail, { secrets }: Child): string {
  const text = tail
    .text(secrets)
    .trim()
    .replace(/\s*\n\s*/g, ' / ');
  if (text === '') return '';
  const last = text.length > MOST_QUOTED ? `…${text.slice(-MOST_QUOTED)}` : text;
  return `; ${where}: ${printable(last, MOST_QUOTED + 1)}`;
}
