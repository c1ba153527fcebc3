import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.js';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
/** code, what happened, outcome, retryable, what to do */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.slice(2, -2).split(' | '));

test('docs/errors.md has one row for each code, in the order of the table, and none for a code that is not there', () => {
  expect(rows.map(([code]) => code)).toEqual(Object.keys(ERRORS).map((code) => `\`${code}\``));
});

test('every row says the outcome and the retryability that the code has', () => {
  const said = rows.map(([code, , outcome, retryable]) => [code, outcome, retryable]);
  const meant = Object.entries(ERRORS).map(([code, row]) => [
    `\`${code}\``,
    `\`${row.outcome}\``,
    row.retryable ? 'yes' : 'no',
  ]);
  expect(said).toEqual(meant);
});

test('every row tells what happened and what to do, as sentences', () => {
  for (const row of rows) {
    expect(row).toHaveLength(5);
    expect(row[1], row[0]).toMatch(/^[A-Z].*\.$/);
    expect(row[4], row[0]).toMatch(/^[A-Z].*\.$/);
  }
});
