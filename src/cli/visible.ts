const ESC = '\u001b';
const COLORS = new RegExp(`${ESC}\\[[0-9;:]*m`, 'g');
/** Control characters but the tab, and marks that turn the direction of writing. */
const HIDDEN = /[^\P{Cc}\t]|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/**
 * One line of text from elsewhere, so that it can only be read: on a terminal, control characters could move the cursor,
 * rename the window or hide what was printed. Colours are dropped; the rest is shown as `^[`, `\x9b` or `\u202e`.
 */
export function visible(line: string): string {
  return line.replace(COLORS, '').replace(HIDDEN, show);
}

function show(char: string): string {
  const code = char.codePointAt(0)!;
  if (code < 0x20) return `^${String.fromCodePoint(code + 0x40)}`;
  if (code === 0x7f) return '^?';
  return code < 0x100 ? `\\x${code.toString(16)}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
