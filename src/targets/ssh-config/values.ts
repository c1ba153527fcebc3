/** Values of one word each, as OpenSSH reads them, in the spelling of `ssh -G`. Each throws a `BadValue` that says what is wrong. */

/** Turned by line.ts into an error that names file, line and directive. */
export class BadValue extends Error {}

/** Largest number of most options: C's INT_MAX. */
const MOST = 2 ** 31 - 1;

/** The only argument. */
export function only(words: readonly string[]): string {
  if (words.length > 1) throw new BadValue(`"${words[1]}" is one argument too many: quote the value if it has spaces`);
  return filled(words[0]);
}

export function filled(word: string | undefined): string {
  if (word === undefined || word === '') throw new BadValue('the argument is missing');
  return word;
}

export function chosen(word: string, spellings: Readonly<Record<string, string>>): string {
  const lower = word.toLowerCase();
  const value = Object.hasOwn(spellings, lower) ? spellings[lower] : undefined;
  if (value === undefined) throw new BadValue(`"${word}" is none of ${Object.keys(spellings).join(', ')}`);
  return value;
}

export function whole(word: string, from = 0, to = MOST): number {
  const value = /^\s*[+-]?\d+$/.test(word) ? Number(word) : Number.NaN;
  if (!(value >= from && value <= to)) throw new BadValue(`"${word}" is no whole number from ${from} to ${to}`);
  return value + 0;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90`, `1h30m`, `2d`: seconds. */
export function seconds(word: string): number {
  let total = 0;
  if (!/^(?:\s*[+-]?\d+[smhdw])*(?:\s*[+-]?\d+)?$/i.test(word)) total = Number.NaN;
  for (const [, digits, unit] of word.matchAll(/([+-]?\d+)([smhdw]?)/gi)) {
    const value = Number(digits);
    total = value < 0 ? Number.NaN : total + value * (UNITS[unit!.toLowerCase()] ?? 1);
  }
  if (word === '' || !(total <= MOST)) throw new BadValue(`"${word}" is no time: write 30, 90s or 1h30m`);
  return total + 0;
}

/** `1G`, `512M`, `1.5K`: a number of bytes. ssh leaves what follows the unit, if it is no letter or digit. */
export function scaled(word: string): bigint {
  const [, sign, digits = '', , fraction = '', unit = ''] =
    /^\s*([+-]?)(\d{0,19})(\.(\d{0,15}))?(?:([bkmgtpe])(?![\da-z]).*)?$/is.exec(word) ?? [undefined, '-', '1'];
  const scale = 1024n ** BigInt('bkmgtpe'.indexOf(unit.toLowerCase() || 'b'));
  const part = unit === '' || fraction === '' ? 0n : (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  const value = BigInt(digits === '' ? 0 : digits) * scale + part;
  if ((sign === '-' && value !== 0n) || value >= 2n ** 63n)
    throw new BadValue(`"${word}" is no size: write 512M or 1G`);
  return value;
}

const FORWARDING: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((row) => [1, 2, 3].map((column) => [`af${row}${column}`, row * 32 + column * 8] as const)),
  ),
  ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7].map((row) => [`cs${row}`, row * 32] as const)),
  ...{ ef: 0xb8, le: 0x04, lowdelay: 0x10, throughput: 0x08, reliability: 0x04 },
};

/** A class of service by its name or number. */
export function service(word: string): string {
  const lower = word.toLowerCase();
  if (lower === 'none') return 'none';
  const value = Object.hasOwn(FORWARDING, lower)
    ? FORWARDING[lower]!
    : /^(?:\d{1,3}|0x[\da-f]{1,2})$/.test(lower)
      ? Number(lower)
      : 256;
  if (value > 255) throw new BadValue(`"${word}" is no class of service: write af21, cs1, ef or a number below 256`);
  const name = Object.entries(FORWARDING).find(([, known]) => known === value)?.[0];
  return name ?? `0x${value.toString(16).padStart(2, '0')}`;
}

/** The character that opens an escape in a terminal; `^A` is the control character. */
export function escapeChar(word: string): string {
  if (word === 'none' || (word.length === 1 && word !== '\\')) return word;
  if (word === '\\') return '\\\\';
  if (/^\^[@-\x7f]$/.test(word)) {
    const code = word.charCodeAt(1) & 31;
    return `\\^${String.fromCharCode(code + 64)}`;
  }
  throw new BadValue(`"${word}" is no escape character: write one character, ^A to ^_, or none`);
}

/** A domain name, in lower case and without the dot at its end. */
export function domain(word: string): string {
  const lower = word.toLowerCase();
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(lower) || lower.includes('..')) throw new BadValue(`"${word}" is no domain name`);
  return lower.replace(/\.$/, '');
}

/** One end of a tunnel, or both around a colon. */
export function tunnel(word: string): string {
  const end = (text: string) => (text.toLowerCase() === 'any' ? 'any' : String(whole(text, 0, MOST - 1)));
  const at = word.indexOf(':');
  return at < 0 ? `${end(word)}:any` : `${end(word.slice(0, at))}:${end(word.slice(at + 1))}`;
}

/** `host:port` of PermitRemoteOpen; the port may be `*`. */
export function opening(word: string): string {
  const [, port] = /^(?:\[[^\]]*\]|[^:/]*):(.*)$/.exec(word) ?? [];
  if (port === undefined) throw new BadValue(`"${word}" is no host:port`);
  if (port !== '*') whole(port, 1, 65_535);
  return word;
}
