/** The lines of a text with their numbers from 1, without white space around; empty ones are left out. */
export function* linesOf(text: string): Generator<[number: number, line: string]> {
  let number = 0;
  for (let from = text.startsWith('\ufeff') ? 1 : 0; from <= text.length; ) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? text.length : end).trim();
    number++;
    if (line !== '') yield [number, line];
    if (end < 0) return;
    from = end + 1;
  }
}
