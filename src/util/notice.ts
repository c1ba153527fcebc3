const given = new Set<string>();
const MOST_GIVEN = 1_000;

/** Tells the program's owner something once, as a warning of the process (`KEYLANE`). */
export function notice(text: string): void {
  if (given.has(text) || given.size >= MOST_GIVEN) return;
  given.add(text);
  process.emitWarning(text, { type: 'KeylaneNotice', code: 'KEYLANE' });
}
