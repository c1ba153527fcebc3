import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPatterns, matches, matchesAny } from '../../../src/cache/pattern.ts';
import { SEED } from '../../support/seed.ts';

const answer = { key: 'web-1:22', name: 'vm_list:0a1b2c3d', tags: ['vms', 'rg/*'] };

describe('C14: a pattern names answers', () => {
  test.each([
    ['vm_list:*', true],
    ['vm_list:0a1b2c3d', true],
    ['vm_*:0a??2c3d', true],
    ['*', true],
    ['vms', true],
    ['vm?', true],
    ['rg/*', true],
    ['key:web-1:22', true],
    ['vm_list', false],
    ['vm_list:', false],
    ['vm_lis?', false],
    ['VMS', false],
    ['key:web-1', false],
    ['key:web-*', false],
    ['key:web-1:222', false],
    ['web-1:22', false],
    ['?', false],
  ])('%s: %s', (pattern, named) => {
    expect(matches(pattern, answer)).toBe(named);
    expect(matchesAny(['nothing', pattern], answer)).toBe(named);
  });

  test('as a regular expression would, for any text', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.'), maxLength: 12 });
    const property = fc.property(text, text, (pattern, name) => {
      const source = pattern.replace(/\./g, '\\.').replace(/\*/g, '.*').replace(/\?/g, '.');
      expect(matches(pattern, { key: '', name, tags: [] })).toBe(new RegExp(`^${source}$`).test(name));
    });
    fc.assert(property, { seed: SEED, numRuns: 2_000 });
  });

  test('and none takes long, however many stars it has', () => {
    const before = process.cpuUsage().user;
    expect(matches(`${'*a'.repeat(500)}b`, { key: '', name: 'a'.repeat(10_000), tags: [] })).toBe(false);
    expect(process.cpuUsage().user - before).toBeLessThan(1_000_000);
  });

  test.each([['vms'], [[1]], [['']], [['key:']], [['x'.repeat(1_025)]], [null]])('%j is refused', (patterns) => {
    expect(() => checkPatterns(patterns, 'invalidates')).toThrow(
      /^`invalidates` must be an array .* `vm_list:\*`, not /,
    );
  });
});
