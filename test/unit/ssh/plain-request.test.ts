import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainRequest } from '../../../src/specs/ssh-plain.js';
import { sshRequest } from '../../../src/specs/ssh-schema.js';

const name = fc.oneof(
  fc.constantFrom('web-1', 'a b', '', '-x', '[::1]', 'u@h', 'h:22', '\u0000', '\ud800'),
  fc.string(),
);
const value = fc.oneof(
  name,
  fc.constantFrom(undefined, null, 0, 1, 22, 65_535, 65_536, 22.5, Number.NaN, true, '/key', '-----BEGIN KEY', 'a\nb'),
  fc.array(name, { maxLength: 2 }),
  fc.object({ maxDepth: 1 }),
);
const field = fc.constantFrom(
  'host',
  'command',
  'user',
  'port',
  'identity',
  'knownHosts',
  'argv',
  'op',
  'shel',
  '__proto__',
);
const request = fc
  .tuple(fc.record({ host: name, command: name }, { requiredKeys: [] }), fc.dictionary(field, value, { maxKeys: 4 }))
  .map(([usual, more]) => ({ ...usual, ...more }));

describe('a plain request, read without the schema', () => {
  it('is one that the schema takes, and comes out the same', () => {
    fc.assert(
      fc.property(request, (input) => {
        const plain = plainRequest(input);
        if (plain === undefined) return;
        const read = sshRequest.safeParse(input);
        expect(read.success).toBe(true);
        expect(read.data).toEqual(plain);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is every request of a host, a command and how to log in', () => {
    const input = { host: 'web-1', command: 'uptime', user: 'deploy', port: 2222, identity: '/k', knownHosts: '/h' };
    expect(plainRequest(input)).toEqual(input);
    expect(plainRequest(input)).not.toBe(input);
  });

  it.each([
    ['a field that is undefined', { host: 'a', command: 'b', user: undefined }],
    ['an unknown field', { host: 'a', command: 'b', comand: 'c' }],
    ['no command', { host: 'a' }],
    ['an object with a prototype of its own', Object.assign(Object.create({ port: 1 }), { host: 'a', command: 'b' })],
    ['nothing', undefined],
  ])('is not one with %s', (_, input) => {
    expect(plainRequest(input)).toBeUndefined();
  });
});
