import type { Io } from './io.js';

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2 } as const;

export type Paint = (color: keyof typeof CODES, text: string) => string;

const plain: Paint = (_, text) => text;
const painted: Paint = (color, text) => `\u001b[${CODES[color]}m${text}\u001b[0m`;

/** How to colour text for one output. `auto` follows https://no-color.org and leaves dumb terminals alone. */
export function painter(when: 'auto' | 'always' | 'never', isTerminal: boolean, env: Io['env']): Paint {
  if (when === 'auto') return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb' ? painted : plain;
  return when === 'always' ? painted : plain;
}
