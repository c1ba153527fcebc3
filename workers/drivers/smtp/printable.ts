const MOST = 300;

/** What a stranger wrote, for a message on somebody's terminal: no control characters, and not too much of it. */
export function printable(text: string, most = MOST): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
}
