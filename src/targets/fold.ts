/**
 * The shortest way to write hosts that this file knows, the inverse of `expandHosts`: `web-[01-03,07],db-1`.
 * A user or port stays with its hosts; numbers with and without padding stay apart; IPv6 addresses are not folded.
 */
export function foldHosts(hosts: readonly string[]): string {
  const shapes = new Map<string, Folded[]>();
  for (const host of new Set(hosts)) {
    const folded = take(host);
    const shape = folded.text.join('#');
    const alike = shapes.get(shape);
    if (alike === undefined) shapes.set(shape, [folded]);
    else alike.push(folded);
  }
  return [...shapes.values()].map((alike) => foldAlike(alike).map(write).join()).join();
}

/** A host as the text around its numbers; each number a list, so that hosts can be joined along one of them. */
interface Folded {
  text: string[];
  numbers: string[][];
}

function take(host: string): Folded {
  const name = host.slice(host.lastIndexOf('@') + 1);
  if (/^[^:]*:[^:]*:|[[\]#,\s]/.test(name) || /[[\]#,\s]/.test(host)) return { text: [host], numbers: [] };
  const from = host.length - name.length;
  const to = name.includes(':') ? from + name.indexOf(':') : host.length;
  const text: string[] = [];
  const numbers: string[][] = [];
  let after = 0;
  for (const { 0: digits, index } of host.matchAll(/\d+/g)) {
    if (index < from || index >= to || digits.length > 15) continue;
    text.push(host.slice(after, index));
    numbers.push([digits]);
    after = index + digits.length;
  }
  text.push(host.slice(after));
  return { text, numbers };
}

/** Joins along one number after the other, the last first: in most names it is the one that counts. */
function foldAlike(hosts: Folded[]): Folded[] {
  let folded = hosts;
  for (let at = (hosts[0]?.numbers.length ?? 0) - 1; at >= 0; at--) {
    const joined = new Map<string, Folded>();
    for (const host of folded) {
      const others = host.numbers.map((values, other) => (other === at ? '' : values.join())).join(';');
      const into = joined.get(others);
      if (into === undefined) joined.set(others, host);
      else for (const value of host.numbers[at]!) into.numbers[at]!.push(value);
    }
    folded = [...joined.values()];
    for (const host of folded) host.numbers[at]!.sort(byNumber);
  }
  return folded;
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b) || a.length - b.length;
}

function write({ text, numbers }: Folded): string {
  return text.map((piece, at) => piece + (at < numbers.length ? writeNumbers(numbers[at]!) : '')).join('');
}

function writeNumbers(values: readonly string[]): string {
  if (values.length === 1) return values[0]!;
  return `[${runsOf(values).map(([first, last]) => (first === last ? first : `${first}-${last}`))}]`;
}

/**
 * Runs of neighbours. Ends of a run have the same number of digits if either is padded: 9-10 and 09-10 are runs, and in
 * 1, 01, 2, 02 the padded ones are their own.
 */
function runsOf(values: readonly string[]): [string, string][] {
  const widths = new Set(values.filter(isPadded).map((value) => value.length));
  const classes = new Map<number, string[]>();
  for (const value of values) {
    const width = widths.has(value.length) ? value.length : 0;
    const members = classes.get(width);
    if (members === undefined) classes.set(width, [value]);
    else members.push(value);
  }
  return [...classes].sort(([a], [b]) => a - b).flatMap(([, members]) => joinNeighbours(members));
}

function joinNeighbours(values: readonly string[]): [string, string][] {
  const runs: [string, string][] = [];
  for (const value of values) {
    const run = runs.at(-1);
    if (run !== undefined && Number(value) === Number(run[1]) + 1) run[1] = value;
    else runs.push([value, value]);
  }
  return runs;
}

function isPadded(digits: string): boolean {
  return digits.startsWith('0') && digits.length > 1;
}
