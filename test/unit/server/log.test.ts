import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { ServiceLog } from '../../../src/server/log.ts';
import { logRequests } from '../../../src/server/request-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function logAt(level: 'trace' | 'debug' | 'info' | 'warn' | 'silent', format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const log = new ServiceLog({ level, format, write: (line) => lines.push(line) });
  return { log, lines };
}

/** A server as far as the log knows one, and a request to it that has been answered. */
function askedOf(log: ServiceLog) {
  const server = new EventEmitter();
  logRequests(server as unknown as Server, log, new FakeClock());
  const ask = () => {
    const headers = { authorization: 'Bearer canary-of-a-token' };
    const request = { method: 'POST', url: '/v1/run?secret=canary-of-a-query', headers } as IncomingMessage;
    const response = Object.assign(new EventEmitter(), { statusCode: 200, writableFinished: true });
    server.emit('request', request, response as unknown as ServerResponse);
    response.emit('close');
  };
  return { server, ask };
}

test('a line is one object of JSON with its time and level', () => {
  const { log, lines } = logAt('info');
  log.log.info({ url: 'http://a' }, 'serving');
  log.log.debug('not told');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{"level":"info","time":"\d{4}-[^"]+Z","url":"http:\/\/a","msg":"serving"\}\n$/);
});

test('for a person it is a line that no text can break out of', () => {
  const { log, lines } = logAt('info', 'pretty');
  log.log.warn({ key: 'a b', shard: 1, said: '\u001b[2J' }, 'a \u0007 message\u202e');
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}a \\u0007 message\\u202e key="a b" shard=1 said=/);
  expect(lines[0]!.trimEnd()).not.toMatch(/\p{C}/u);
});

test('a request is told of at debug: no header of it, and nothing of its query', () => {
  const { log, lines } = logAt('trace');
  askedOf(log).ask();
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['asked', 'answered']);
  expect(lines[1]).toContain('"method":"POST","path":"/v1/run","status":200');
  expect(lines.join('')).not.toContain('canary');
});

test('what is not told costs nothing: nobody listens to requests until it is asked for', () => {
  const { log, lines } = logAt('info');
  const { server, ask } = askedOf(log);
  expect(server.listenerCount('request')).toBe(0);
  log.level = 'debug';
  expect(server.listenerCount('request')).toBe(1);
  ask();
  log.level = 'info';
  expect(server.listenerCount('request')).toBe(0);
  ask();
  expect(lines.filter((line) => line.includes('answered'))).toHaveLength(1);
});

test('a change of the level is told at the more talkative of the two', () => {
  const { log, lines } = logAt('warn');
  log.level = 'info';
  log.level = 'warn';
  log.level = 'warn';
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'info', from: 'warn', to: 'info' },
    { level: 'info', from: 'info', to: 'warn' },
  ]);
});

test('the signal makes it debug, and then what it was', () => {
  const { log } = logAt('warn');
  log.cycle();
  expect(log.level).toBe('debug');
  log.cycle();
  expect(log.level).toBe('warn');
  const { log: other } = logAt('debug');
  other.cycle();
  expect(other.level).toBe('info');
});
