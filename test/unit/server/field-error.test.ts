import { expect, test } from 'vitest';
import { fieldsNamed } from '../../../src/server/field-error.ts';

test('what the engine says of a field is told by the name that the field has in the body', () => {
  const options = new Set(['timeoutMs', 'cache']);
  const named = (message: string) =>
    fieldsNamed(message, options).map(({ field, line }) => [line, field].join(' ').trim());
  for (const [message, field] of [
    ['ssh.port: expected a port from 1 to 65535; got 0', 'request.port'],
    ['ssh.argv[3]: expected a string; got null', 'request.argv[3]'],
    ['ssh.env.PATH: expected a string', 'request.env.PATH'],
    ['`key` must be a string of 1 to 1,024 characters', 'request.key'],
    ['unknown field `kee`: echo knows key', 'request.kee'],
    ['`timeoutMs` must be a number', 'timeoutMs'],
    ['`cache.ttlMs` must be a number', 'cache.ttlMs'],
    ['querystring.ordered: goes with lines', 'query.ordered'],
    ['the header `Last-Event-ID` must be the `id` of an event', 'headers.last-event-id'],
    ['line 7.request.host: it is missing', '7 request.host'],
  ] as const)
    expect(named(message), message).toEqual([field]);
  expect(named('ssh.port: expected one\nssh.user: expected another')).toEqual(['request.port', 'request.user']);
  expect(named('what names no field')).toEqual([]);
  expect(named('host: port, and other prose')).toEqual([]);
});
