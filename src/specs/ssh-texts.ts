import { grouped } from '../util/grouped.js';

const MAX_PATH = 4_096;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** 1 MiB: what a command line may come to. */
export const MAX_COMMAND = 1 << 20;

/** What is wrong with a command, which a shell must be able to carry as it is. */
export function commandProblem(value: string): string | undefined {
  return textProblem(value, MAX_COMMAND, 'send a longer script on `stdin` to `sh -s`');
}

/** What is wrong with a text that a shell and UTF-8 are to carry; `beyond`: what to do with a longer one. */
export function textProblem(value: string, most: number, beyond: string): string | undefined {
  if (value.length > most) return `expected at most ${grouped(most)} characters; ${beyond}`;
  if (value.includes('\0')) return 'must not hold NUL (\\0), which no command line can carry; send it on `stdin`';
  if (LONE_SURROGATE.test(value))
    return 'holds half of a surrogate pair, which UTF-8 cannot carry; send bytes on `stdin`';
  return undefined;
}

/** What is wrong with the path of a file. */
export function pathProblem(value: string): string | undefined {
  if (value === '') return 'expected the path of a file; leave the field out for the default';
  // It would be in every message that names the file.
  if (/^-----BEGIN |\n/.test(value)) return 'expected the path of a file, in one line, not what is in it';
  if (value.includes('\0') || value.length > MAX_PATH)
    return `expected a path without NUL, at most ${MAX_PATH} characters`;
  return undefined;
}
