/** Where the token is kept: in this tab, until it is closed. Never in an address, never where another tab finds it. */
const NAME = 'keylane-token';

export function savedToken(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}

export function saveToken(token: string): void {
  try {
    sessionStorage.setItem(NAME, token);
  } catch {
    // Storage may be switched off: it is then asked for again when the page is loaded again.
  }
}

export function forgetToken(): void {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // As above: there is none.
  }
}

const WHY = 'keylane-signed-out';

/** What is to be said when the page is there again. */
export function sayNextTime(why: string): void {
  try {
    sessionStorage.setItem(WHY, why);
  } catch {
    // As above: then nothing is said.
  }
}

export function saidLastTime(): string {
  try {
    const why = sessionStorage.getItem(WHY) ?? '';
    sessionStorage.removeItem(WHY);
    return why;
  } catch {
    return '';
  }
}
