/** Letters of two columns: East Asian wide and fullwidth, and pictures. (Unicode 15, UAX #11) */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;
const ASCII = /^[\x20-\x7e]*$/;

/** Columns of a terminal that the text takes; it holds no control characters. */
export function width(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const char of text) columns += of(char);
  return columns;
}

/** No more of the text than fits; what is cut ends in `…`. */
export function clipped(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let taken = 0;
  let end = '';
  for (const char of text) {
    taken += of(char);
    if (taken > columns - 1) break;
    end += char;
  }
  return columns > 0 ? `${end}…` : '';
}

/** In so many columns, no more and no less. */
export function fitted(text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const part = clipped(text, columns);
  const fill = ' '.repeat(Math.max(0, columns - width(part)));
  return side === 'left' ? part + fill : fill + part;
}

function of(char: string): number {
  if (NO_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}
