import { expect, test } from 'vitest';
import type { HttpRequest } from '../../src/http-types.js';
import { makeHttpSpec } from '../../src/specs/http.js';
import { seeded } from '../support/seed.ts';

/** What is found for it, or what is said against it. */
function told(spec: ReturnType<typeof makeHttpSpec>, request: object): unknown {
  try {
    return spec.parse(request as HttpRequest);
  } catch (error) {
    return (error as Error).message;
  }
}

test('a request means the same whether its origin is known by now, and whether the schema has read it', () => {
  const random = seeded();
  const spec = makeHttpSpec({ deny: 'private' });
  const hosts = [
    'a.example',
    'A.Example',
    'a.example:443',
    'a.example:8080',
    '1.1.1.1',
    '127.0.0.1',
    '[::1]',
    'ü.example',
  ];
  const pieces = [
    '/',
    '/.',
    '/..',
    '/a',
    '.',
    '%2e',
    '%',
    '%zz',
    '?',
    '#',
    '@',
    ':',
    "'",
    '"',
    ' ',
    '\\',
    'ü',
    '{',
    '|',
    '\n',
  ];
  const methods = ['GET', 'POST', 'PUT', 'get', 'CONNECT', '', undefined];
  for (let i = 0; i < 5_000; i++) {
    const parts = Array.from({ length: random.below(6) }, () => random.pick(pieces));
    const request: Record<string, unknown> = {
      url: `${random.pick(['https', 'http', 'HTTP'])}://${random.pick(hosts)}${random.pick(['/', '', '/x'])}${parts.join('')}`,
      method: random.pick(methods),
    };
    if (request.method === undefined) delete request.method;
    if (random.below(3) === 0) request.headers = { 'X-A': random.pick(['1', ['2', '3'], 'a\nb', 7, ' x']) };
    if (random.below(3) === 0) request.body = random.pick(['x', Buffer.from('y'), 5]);
    if (random.below(4) === 0) request.json = random.pick([{ a: 1 }, null, undefined]);
    if (random.below(4) === 0) request.redirects = random.pick([0, 20, 21]);
    const fresh = told(makeHttpSpec({ deny: 'private' }), request);
    expect(told(spec, request), JSON.stringify(request)).toEqual(fresh);
    // A field that plain requests have not: the schema reads this one.
    const read = told(spec, { ...request, events: false });
    expect(read, JSON.stringify(request)).toEqual(fresh);
  }
});
