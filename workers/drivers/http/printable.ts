const MOST = 200;

/** What a stranger wrote, for a message on somebody's terminal: no control characters, and not too much of it. */
export function printable(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > MOST ? `${clean.slice(0, MOST)}…` : clean;
}
