import { KeylaneError } from '../../errors.js';
import type { Place } from './types.js';

/** A line that ssh would refuse. `what` says what is wrong and how to mend it. */
export function mistake(place: Place, directive: string, what: string): KeylaneError {
  return new KeylaneError('ERR_CONFIG', `${place.file}:${place.line}: ${visible(directive)}: ${visible(what)}`);
}

/** A line that ssh would take and keylane does not. */
export function unsupported(place: Place, directive: string, what: string): KeylaneError {
  return new KeylaneError(
    'ERR_CONFIG_UNSUPPORTED',
    `${place.file}:${place.line}: ${visible(directive)}: ${visible(what)}`,
  );
}

/** A file that cannot be taken as a whole. */
export function badFile(path: string, what: string, cause?: unknown): KeylaneError {
  return new KeylaneError('ERR_CONFIG', `${path}: ${what}`, cause === undefined ? {} : { cause });
}

/** A message is one line of a bounded length, whatever the file holds. */
function visible(text: string): string {
  const short = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  return short.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
