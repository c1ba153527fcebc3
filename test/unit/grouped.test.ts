import { expect, test } from 'vitest';
import { grouped as groupedInCommands } from '../../src/cli/figures.js';
import { grouped } from '../../src/util/grouped.js';

test('digits are grouped as Node groups them', () => {
  for (const value of [0, 7, 999, 1_000, -1_000, 12_345, 1_073_741_824, Number.MAX_SAFE_INTEGER]) {
    expect(grouped(value)).toBe(value.toLocaleString('en-US'));
    expect(groupedInCommands(value)).toBe(value.toLocaleString('en-US'));
  }
  expect(grouped(1_234_567_890_123_456_789n)).toBe('1,234,567,890,123,456,789');
  expect(grouped(1_000.1234)).toBe('1,000.1234');
});
