import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { mailboxesIn } from '../../../src/specs/smtp-mailboxes.ts';
import { addressProblem } from '../../../src/specs/smtp-texts.ts';

describe('mailboxes of a text', () => {
  test.each([
    ['ana@example.com', [['', 'ana@example.com']]],
    ['Ana <ana@example.com>', [['Ana', 'ana@example.com']]],
    ['<ana@example.com>', [['', 'ana@example.com']]],
    ['"Surname, Ana; \\"A\\"" <ana@example.com>', [['Surname, Ana; "A"', 'ana@example.com']]],
    [
      'a@x.example, B <b@x.example> ;c@x.example;',
      [
        ['', 'a@x.example'],
        ['B', 'b@x.example'],
        ['', 'c@x.example'],
      ],
    ],
    ['"a, b"@x.example', [['', '"a, b"@x.example']]],
    ['Évá <e@bücher.example>', [['Évá', 'e@xn--bcher-kva.example']]],
    ['jürgen@x.example', [['', 'jürgen@x.example']]],
    ['root@localhost', [['', 'root@localhost']]],
    [
      'a@[192.0.2.1]; b@[IPv6:2001:db8::1]',
      [
        ['', 'a@[192.0.2.1]'],
        ['', 'b@[IPv6:2001:db8::1]'],
      ],
    ],
  ])('%s', (text, expected) => {
    expect(mailboxesIn(text)).toEqual(expected.map(([name, address]) => ({ name, address })));
  });

  test.each([
    ['', /expected an address/],
    ['ana', /like ana@example.com/],
    ['@example.com', /like ana@example.com/],
    ['ana@', /like ana@example.com/],
    ['a..b@example.com', /in quotes, as "a\.\.b"@example.com/],
    ['a b@example.com', /before its @/],
    ['a@exa mple.com', /name of a domain/],
    ['a@b@c.example', /before its @/],
    ['a@[300.1.1.1]', /no address in its brackets/],
    ['a@[IPv6:192.0.2.1]', /no address in its brackets/],
    [`${'a'.repeat(65)}@example.com`, /more than 64 octets before its @/],
    [`${'ü'.repeat(33)}@example.com`, /more than 64 octets before its @/],
    [`a@${'b.'.repeat(130)}example`, /longer than the 254 octets/],
    ['Ana <ana@example.com', /angle brackets that do not match/],
    ['Ana ana@example.com>', /angle brackets that do not match/],
    ['Ana "An <ana@example.com>', /quote that is not closed/],
    ['A "B" C <ana@example.com>', /the whole name in quotes/],
    ['<a@x.example> <b@x.example>', /the whole name in quotes|before its @/],
    ['Team: a@x.example, b@x.example;', /before its @/],
    ['a@x.example\r\nRCPT TO:<b@x.example>', /line ends/],
    ['"a\r\nBcc: b@x.example" <a@x.example>', /line ends/],
    ['a\0@x.example', /NUL/],
    ['A\u0007 <a@x.example>', /control characters/],
  ])('%j is refused: %s', (text, why) => {
    expect(mailboxesIn(text)).toMatch(why);
  });

  it('takes as long as the text is long, whatever is in it', () => {
    for (const bad of ['"', '<', '\\', 'a@', '.', '"\\', ',;', '<>']) {
      const text = bad.repeat(500_000 / bad.length);
      const began = performance.now();
      expect(typeof mailboxesIn(text)).toBe('string');
      // 0.5 MB in milliseconds; what tries every pair of places takes minutes.
      expect(performance.now() - began).toBeLessThan(5_000);
    }
  });

  it('is what was written, for every name and address', () => {
    const local = fc.string({ unit: fc.constantFrom(...'azAZ09.!#$%&*+/=?^_`{|}~-'), minLength: 1, maxLength: 64 });
    const address = local.map((text) => `${text}@x.example`).filter((text) => addressProblem(text) === undefined);
    const name = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
    const one = fc.record({ name, address });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), (boxes) => {
        const text = boxes.map(({ name: n, address: a }) => `"${n.replace(/["\\]/g, '\\$&')}" <${a}>`).join(', ');
        expect(mailboxesIn(text)).toEqual(boxes);
      }),
    );
  });
});
