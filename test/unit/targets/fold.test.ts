import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldHosts } from '../../../src/targets/fold.ts';
import { expandHosts } from '../../../src/targets/hosts.ts';

describe('foldHosts', () => {
  it.each([
    [['web-01', 'web-02', 'web-03', 'web-07'], 'web-[01-03,07]'],
    [['web-9', 'web-10', 'web-11'], 'web-[9-11]'],
    [['web-09', 'web-10', 'web-9'], 'web-[9,09-10]'],
    [['web-1', 'web-01', 'web-2', 'web-02'], 'web-[1-2,01-02]'],
    [['a1b1', 'a1b2', 'a2b1', 'a2b2'], 'a[1-2]b[1-2]'],
    [['a1b1', 'a1b2', 'a2b1'], 'a1b[1-2],a2b1'],
    [['db', 'web-2', 'web-1'], 'db,web-[1-2]'],
    [['root@web-1:22', 'root@web-2:22', 'web-3:22'], 'root@web-[1-2]:22,web-3:22'],
    [['u1@web', 'u2@web'], 'u1@web,u2@web'],
    [['web:22', 'web:23'], 'web:22,web:23'],
    [['127.1.0.1', '127.1.0.2', '127.1.0.3'], '127.1.0.[1-3]'],
    [['::1', '::2', '[::3]:22'], '::1,::2,[::3]:22'],
    [['only-1'], 'only-1'],
    [[], ''],
  ])('writes %j as clush does', (hosts, folded) => {
    expect(foldHosts(hosts)).toBe(folded);
  });

  it('is undone by expandHosts, whatever the hosts', () => {
    const number = fc.oneof(fc.nat(30).map(String), fc.stringMatching(/^\d{1,4}$/), fc.stringMatching(/^\d{16,18}$/));
    const piece = fc.constantFrom('web-', 'n', '.dc', '-');
    const name = fc
      .array(fc.tuple(piece, number), { minLength: 1, maxLength: 3 })
      .map((parts) => `h${parts.flat().join('')}`);
    const user = fc.constantFrom('', 'root@', 'u1@', 'a@b2@');
    const port = fc.constantFrom('', ':22', ':2222');
    const host = fc.oneof(
      fc.tuple(user, name, port).map((parts) => parts.join('')),
      fc.constantFrom('::1', '[::1]:22', '127.0.0.1', '127.0.0.2', 'fe80::1', '10.0.10.1'),
    );
    fc.assert(
      fc.property(fc.uniqueArray(host, { maxLength: 60 }), (hosts) => {
        expect(expandHosts(foldHosts(hosts)).sort()).toEqual([...hosts].sort());
      }),
      { numRuns: 2_000 },
    );
  });

  it('folds 100,000 hosts without comparing each with each', () => {
    const hosts = expandHosts('rack[1-100]-n[0001-1000].example');
    const from = performance.now();
    expect(foldHosts(hosts)).toBe('rack[1-100]-n[0001-1000].example');
    expect(performance.now() - from).toBeLessThan(5_000);
  });
});
