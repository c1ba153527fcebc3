import type { ParsedKey } from 'ssh2';
import { expect, test } from 'vitest';
import { Auth } from '../../../workers/drivers/ssh/auth.js';
import type { Credential } from '../../../workers/drivers/ssh/credentials.js';

const key = (says: string): Credential => ({ method: 'publickey', says, key: { says } as unknown as ParsedKey });
const password: Credential = { method: 'password', says: 'password', password: 'p' };
const interactive: Credential = { method: 'keyboard-interactive', says: 'keyboard-interactive', password: 'p' };

/** What is tried, one after the other, with what the server says after each. */
function tried(list: Credential[], answers: [string[], boolean?][]): string[] {
  const auth = new Auth('me', { list, skipped: [] });
  const all: string[] = [];
  for (let i = 0; i < 20; i++) {
    const next = auth.next();
    if (next === false) break;
    expect(next.username).toBe('me');
    all.push('key' in next ? (next.key as unknown as { says: string }).says : next.type);
    const [allowed, partial] = answers[i] ?? answers.at(-1) ?? [['publickey', 'password', 'keyboard-interactive']];
    auth.refused(allowed, i < answers.length && (partial ?? false));
  }
  return all;
}

test('each credential is tried once, in order', () => {
  expect(tried([key('a'), key('b'), password, interactive], [])).toEqual([
    'a',
    'b',
    'password',
    'keyboard-interactive',
  ]);
});

test('what the server does not allow is left out', () => {
  expect(tried([key('a'), key('b'), password, interactive], [[['keyboard-interactive']]])).toEqual([
    'a',
    'keyboard-interactive',
  ]);
});

test('after a partial success, what was not allowed before is tried', () => {
  const answers: [string[], boolean?][] = [[['publickey']], [['password'], true]];
  expect(tried([key('a'), password, key('b')], answers)).toEqual(['a', 'b', 'password']);
});

test('a second key is tried where the server wants two', () => {
  expect(tried([key('a'), key('b')], [[['publickey'], true]])).toEqual(['a', 'b']);
});

test('with nothing to show, the server is asked what it wants', () => {
  expect(tried([], [[['publickey']]])).toEqual(['none']);
});

test('the message says what was tried, what is allowed and what was left out', () => {
  const auth = new Auth('me', { list: [key('identity /a')], skipped: ['/b: it is encrypted'] });
  auth.next();
  auth.refused(['publickey', 'password'], false);
  expect(auth.next()).toBe(false);
  expect(auth.explain()).toBe(
    'tried identity /a; the server allows publickey, password; left out: /b: it is encrypted',
  );
});

test('a partial success is told', () => {
  const auth = new Auth('me', { list: [key('identity /a')], skipped: [] });
  auth.next();
  auth.refused(['password'], true);
  expect(auth.explain()).toContain('the server took identity /a and wants more');
});
