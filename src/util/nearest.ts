/** The name that was meant, if one is near: a slip or two away, in a short name one; upper and lower case count as equal. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const typed = name.toLowerCase();
  let least = typed.length < 4 ? 1 : 2;
  let found: string | undefined;
  for (const one of known) {
    // Lengths are compared first: there may be 100,000 names.
    if (Math.abs(one.length - typed.length) > least) continue;
    const slips = distance(typed, one.toLowerCase());
    if (slips > least || (found !== undefined && slips === least)) continue;
    found = one;
    least = slips;
    if (slips === 0) break;
  }
  return found;
}

/** Levenshtein's distance, a row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
