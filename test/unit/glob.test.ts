import { expect, test } from 'vitest';
import { globMatches } from '../../src/util/glob.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { seeded } from '../support/seed.ts';

/** All ways, one after the other. */
function reference(pattern: string, text: string): boolean {
  let states = new Set([0]);
  const follow = (all: Set<number>) => {
    for (const at of all) if (pattern[at] === '*') all.add(at + 1);
    return all;
  };
  follow(states);
  for (const char of text) {
    const next = new Set<number>();
    for (const at of states) {
      if (pattern[at] === '*') next.add(at);
      else if (pattern[at] === '?' || pattern[at] === char) next.add(at + 1);
    }
    states = follow(next);
  }
  return states.has(pattern.length);
}

test('any pattern matches what it says, however often it has to go back', () => {
  const random = seeded();
  const made = (letters: string, most: number) =>
    Array.from({ length: random.below(most) }, () => letters[random.below(letters.length)]).join('');
  let matched = 0;
  for (let round = 0; round < 4_000; round++) {
    const long = round % 4 === 0;
    const pattern = `${random.below(2) ? '*' : ''}${made('ab?a*', long ? 60 : 12)}${random.below(2) ? '*' : ''}`;
    const text = made('aab', long ? 300 : 20);
    const expected = reference(pattern, text);
    if (expected) matched++;
    expect(globMatches(pattern, text), `${pattern} of ${text}`).toBe(expected);
  }
  expect(matched).toBeGreaterThan(100);
});

test.each([
  ['letters', `*${'x'.repeat(500)}q`],
  ['letters that are found at their end', `*q${'x'.repeat(500)}*`],
  ['any characters', `*${'?x'.repeat(250)}q*`],
])('2,000 keys that nearly match a pattern of %s are looked at in a moment', (_, pattern) => {
  const texts = Array.from({ length: 2_000 }, (_, at) => `${'x'.repeat(1_000)}${at}`);
  // 150 ms; going back after each `*` took 3,000.
  expect(cpuMs(() => texts.filter((text) => globMatches(pattern, text)))).toBeLessThan(1_500);
});
