import type { Problem } from '../util/check.js';

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  k: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
};

/** What is wrong, and the number that was meant: as source code writes it (`60_000`), or with a unit (`5m`, `64k`). */
export function hinted({ path, says }: Problem): string {
  const [, digits, unit] = /number; got "([\d_]+)(ms|s|m|h|k|MiB|GiB)?"$/.exec(says) ?? [];
  if (digits === undefined) return says;
  const isTime = /Ms$/.test(String(path.findLast((step) => typeof step === 'string' && /(Ms|Bytes)$/.test(step))));
  const factor = unit === undefined ? 1 : UNITS[unit.toLowerCase()];
  if (unit !== undefined && isTime !== /^(ms|s|m|h)$/.test(unit)) return says;
  const number = Number(digits.replaceAll('_', '')) * (factor ?? Number.NaN);
  return Number.isSafeInteger(number) ? `${says}; write ${number}` : says;
}
