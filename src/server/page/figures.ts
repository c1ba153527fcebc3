/** Figures as an operator reads them: three digits that mean something, the unit beside them. */

const NONE = '–';

/** `0`, `7.25`, `98.1`, `12,400`. */
export function amount(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 99.95) return Math.round(value).toLocaleString('en-US');
  return size >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** A whole number, with its thousands apart. */
export function count(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? NONE : Math.round(value).toLocaleString('en-US');
}

/** `0.43 ms`, `850 ms`, `3.24 s`, `2 min 5 s`. */
export function duration(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE;
  if (ms < 0.005) return '0 ms';
  if (ms < 999.5) return `${ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(2)} s`;
  return span(ms);
}

/** The two largest units of it: `12 s`, `2 min 5 s`, `3 h 12 min`, `4 d 6 h`. */
export function span(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return NONE;
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/** A share, 0 … 1, as `0 %`, `0.04 %`, `12 %`. One that is not nothing is never `0 %`. */
export function percent(share: number | undefined): string {
  if (share === undefined || !Number.isFinite(share)) return NONE;
  const value = share * 100;
  if (value === 0) return '0 %';
  if (value < 0.01) return '< 0.01 %';
  return `${value < 0.995 ? value.toFixed(2) : value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** The time of day where the reader is: `14:03:22`. */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** `1 line`, `2 lines`, `10,000 lines`. */
export function counted(value: number, noun: string): string {
  return `${value.toLocaleString('en-US')} ${noun}${value === 1 ? '' : 's'}`;
}
