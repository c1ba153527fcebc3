import type { Account, AccountVerdict } from '../index.js';
import { visible } from './visible.js';

/** Accounts for a person, a line each. */
export function accountsText(accounts: readonly Account[]): string {
  return table(
    accounts.map(({ name, driver, user, endpoint: { host, port }, labels = [] }) => [
      name,
      driver,
      `${user === undefined ? '' : `${user}@`}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`,
      labels.join(' '),
    ]),
  );
}

/** One account for a person, a line a field. */
export function accountText(account: Account): string {
  return table(leaves(account, ''));
}

type Told = Omit<AccountVerdict, 'error'> & { error?: { code: string; message: string } };

export function verdictsText(verdicts: readonly Told[]): string {
  const lines = verdicts.map(({ name, driver, tried, ok, error, ms }) => [
    ok ? 'ok' : 'FAIL',
    name,
    driver,
    error ? `${error.code}: ${error.message.replaceAll('\n', ' ')}` : `${tried} in ${ms} ms`,
  ]);
  const bad = verdicts.filter(({ ok }) => !ok).length;
  return `${table(lines)}${verdicts.length - bad} ok, ${bad} failed\n`;
}

/** Anything for a program. */
export function written(items: readonly unknown[], format: 'json' | 'ndjson'): string {
  if (format === 'json') return `${JSON.stringify(items, null, 2)}\n`;
  return items.map((item) => `${JSON.stringify(item)}\n`).join('');
}

function leaves(value: unknown, path: string): [string, string][] {
  if (Array.isArray(value)) return [[path, value.join(' ')]];
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, path === '' ? name : `${path}.${name}`));
}

/** Columns as wide as their widest cell; the last is as long as it is. */
function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(visible));
  const widths = shown.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), []);
  const lines = shown.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}
