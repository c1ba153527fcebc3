import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('docs/options.md says what the sources say', () => {
  const check = () => execFileSync(process.execPath, ['scripts/options-doc.mjs', '--check'], { stdio: 'pipe' });
  expect(check).not.toThrow();
});
