import { UsageError } from './io.js';

/** Readers of a flag's value: text to value, or a UsageError that names the flag and what it takes. */
type Reader<T> = (text: string) => T;

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `500ms`, `30s`, `2m`, `1h`; a bare number is seconds. At most a day. */
export function duration(flag: string, leastMs = 0): Reader<number> {
  return (text) => {
    const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
    const ms = Number(number) * UNITS_MS[unit]!;
    if (number !== undefined && ms >= leastMs && ms <= 86_400_000) return ms;
    throw refused(flag, text, `write a duration from ${leastMs}ms to 24h, as 500ms, 30s, 2m or 1h`);
  };
}

const UNITS_BYTES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `65536`, `64k`, `16m`, `1g`. */
export function bytes(flag: string, most: number): Reader<number> {
  return (text) => {
    const [, number, unit] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
    const size = Number(number) * UNITS_BYTES[(unit ?? '').toLowerCase()]!;
    if (size <= most) return size;
    throw refused(flag, text, `write bytes up to ${most}, as 65536, 64k or 16m`);
  };
}

export const outFile: Reader<string> = (path) => {
  if (path !== '-') return path;
  throw new UsageError('--out -: stdout is where it goes without --out; a file of that name is ./-');
};

export function whole(flag: string, least: number, most: number): Reader<number> {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (number >= least && number <= most) return number;
    throw refused(flag, text, `write a whole number from ${least} to ${most}`);
  };
}

/** `auto`, or a number of things at once. */
export function concurrency(most: number, flag = '-c'): Reader<number | 'auto'> {
  return (text) => {
    if (text === 'auto') return text;
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (number >= 1 && number <= most) return number;
    throw refused(flag, text, `write auto or a whole number from 1 to ${most}`);
  };
}

/** `2.5`: more than none. */
export function positive(flag: string, most: number): Reader<number> {
  return (text) => {
    const number = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
    if (number > 0 && number <= most) return number;
    throw refused(flag, text, `write a number above 0, up to ${most}`);
  };
}

/** `-10` … `10`. */
export function priority(text: string): number {
  const number = /^-?\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= -10 && number <= 10) return number;
  throw refused('--priority', text, 'write a whole number from -10 to 10');
}

/** `20`, or `5%` of all. */
export function share(flag: string): Reader<number | `${number}%`> {
  return (text) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    if (/^(\d{1,2}(\.\d{1,3})?|100)%$/.test(text) && Number.parseFloat(text) > 0) return text as `${number}%`;
    throw refused(flag, text, 'write a whole number from 1, as 20, or a share of all, as 5%');
  };
}

/** `22:00-06:30`: from one time of day to the next such. */
export function window(flag: string): Reader<string> {
  return (text) => {
    const [from, to, ...more] = text.split('-');
    const isTime = (one = '') => /^([01]\d|2[0-3]):[0-5]\d$/.test(one);
    if (more.length === 0 && isTime(from) && isTime(to) && from !== to) return text;
    throw refused(flag, text, 'write two times of day, as 22:00-06:30');
  };
}

/** `web=20`: a group, and how many of it at once. */
export function limit(flag: string): (text: string, before?: Record<string, number>) => Record<string, number> {
  return (text, before = {}) => {
    const [, group = '', number] = /^(.{1,128})=(\d{1,7})$/.exec(text) ?? [];
    if (number !== undefined && Number(number) >= 1 && Number(number) <= 1_000_000)
      return { ...before, [group]: Number(number) };
    throw refused(flag, text, 'write a group and how many of it may be in flight, as web=20');
  };
}

export function oneOf<T extends string>(flag: string, choices: readonly T[]): Reader<T> {
  return (text) => {
    const choice = choices.find((one) => one === text);
    if (choice !== undefined) return choice;
    throw refused(flag, text, `write ${choices.join(', ')}`);
  };
}

/** For `Command.option`: what is written is text, or one of two forms for programs. */
export const FORMAT = [
  '--format <format>',
  'text, json or ndjson (default: text)',
  oneOf('--format', ['text', 'json', 'ndjson']),
  'text',
] as const;

/** A secret is named, never written on the command line, where every user of the machine could read it. */
export function reference(flag: string): Reader<string> {
  return (text) => {
    if (/^(env|file):./.test(text)) return text;
    throw new UsageError(`${flag} takes a reference, not the secret itself: write env:NAME or file:PATH`);
  };
}

function refused(flag: string, text: string, fix: string): UsageError {
  return new UsageError(`${flag} ${JSON.stringify(text)}: ${fix}`);
}
