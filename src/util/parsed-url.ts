/**
 * The URL, or nothing. `URL.canParse` of Node 20 says no to what has letters beyond ASCII once it is called often: the fast way
 * takes Latin-1 for UTF-8.
 */
export function parsedUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
