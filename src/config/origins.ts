import type { ConfigOrigin } from './types.js';

/** Where something was said, as messages name it. */
export function wordsOf(origin: ConfigOrigin | undefined): string {
  switch (origin?.from) {
    case 'file':
      return `${origin.file}:${origin.line}`;
    case 'variable':
      return origin.name;
    case 'flag':
      return 'flags';
    default:
      return 'configuration';
  }
}
