import { describe, expect, it, test } from 'vitest';
import type { SmtpOptions, SmtpRequest } from '../../../src/smtp-types.ts';
import { makeSmtpSpec, type SmtpTarget } from '../../../src/specs/smtp.ts';
import { smtpOptions } from '../../../src/specs/smtp-schema.ts';
import { check } from '../../../src/util/check.ts';

const mail = { host: 'mx.example', from: 'ana@x.example', to: 'bo@y.example', subject: 'Hi', text: 'Hello' };

function parsed(request: object, options: SmtpOptions = {}) {
  return makeSmtpSpec(options).parse(request as SmtpRequest);
}

function targetOf(request: object, options: SmtpOptions = {}): SmtpTarget {
  return parsed(request, options).target as SmtpTarget;
}

function refusal(request: object, options: SmtpOptions = {}): string {
  try {
    parsed(request, options);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INPUT' });
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

describe('who is talked to', () => {
  test.each([
    [{}, 'mx.example:587', 587, 'starttls'],
    [{ host: 'MX.Example', tls: 'implicit' }, 'mx.example:465', 465, 'implicit'],
    [{ port: 465 }, 'mx.example:465', 465, 'implicit'],
    [{ port: 2525, tls: 'none' }, 'mx.example:2525', 2525, 'none'],
    [{ host: '[2001:db8::1]' }, '[2001:db8::1]:587', 587, 'starttls'],
    [{ user: 'ana@x.example', password: 'env:PW' }, 'ana@x.example@mx.example:587', 587, 'starttls'],
  ])('%j has the key %s', (access, key, port, tls) => {
    const { key: found, target } = parsed({ ...mail, ...access });
    expect(found).toBe(key);
    expect(target).toMatchObject({ key, port, tls });
  });

  it('is a lane of its own with all that changes who we are, and with nothing else', () => {
    const lane = (request: object) => parsed({ ...mail, ...request }).lane;
    const changes = [
      { host: 'other.example' },
      { port: 2525 },
      { tls: 'implicit' as const, port: 587 },
      { ca: '/ca.pem' },
      { servername: 'other.example' },
      { user: 'ana' },
      { user: 'ana', password: 'env:A' },
      { user: 'ana', password: 'env:B' },
      { user: 'ana', password: 'env:A', auth: 'plain' as const },
      { clientName: 'me.example' },
      { sourceAddress: '192.0.2.7' },
      { preset: 'gmail' as const },
    ];
    const lanes = [lane({}), ...changes.map(lane)];
    expect(new Set(lanes).size).toBe(lanes.length);
    expect(lane({ to: 'c@z.example', subject: 'Other', from: 'z@z.example' })).toBe(lane({}));
    expect(
      lane({
        raw: 'x',
        from: undefined,
        to: undefined,
        subject: undefined,
        text: undefined,
        envelope: { from: '', to: 'a@b' },
      }),
    ).toBe(lane({}));
  });

  test.each([
    [{ password: 'env:PW' }, /smtp\.user: expected who logs in/],
    [{ password: 'hunter2', user: 'a' }, /takes no secret in the open/],
    [{ user: 'a', password: 'env:PW', tls: 'none' }, /smtp\.tls: a log-in goes over TLS/],
    [{ user: 'a', auth: 'xoauth2' }, /smtp\.auth: xoauth2 goes with a token: name an account/],
    [{ user: 'a', auth: 'plain' }, /smtp\.password: expected a reference/],
    [{ sourceAddress: 'eth0' }, /smtp\.sourceAddress: expected an address of this machine/],
    [{ clientName: 'a\r\nMAIL FROM:<b@c>' }, /smtp\.clientName: expected the name of a host/],
    [{ host: 'mx.example:25' }, /smtp\.host: .*give the port as `port`/],
    [{ preset: 'hotmail' }, /smtp\.preset: expected one of 'generic', 'gmail', 'exchange-online'/],
  ])('%j is refused', (access, why) => {
    expect(refusal({ ...mail, ...access })).toMatch(why);
    expect(refusal({ ...mail, ...access })).not.toContain('hunter2');
  });

  it('may log in in the clear on this machine alone', () => {
    const login = { user: 'a', password: 'env:PW', tls: 'none' };
    expect(targetOf({ ...mail, ...login, host: '127.0.0.9' })).toMatchObject({ tls: 'none', password: 'env:PW' });
  });
});

describe('the options', () => {
  const options: SmtpOptions = { host: 'mx.example', port: 2587, user: 'us', password: 'env:PW', ca: '/ca.pem' };
  const { host: _, ...short } = mail;

  it('say where a request goes that does not say it', () => {
    expect(targetOf(short, options)).toMatchObject({ host: 'mx.example', port: 2587, user: 'us', password: 'env:PW' });
    expect(refusal(short)).toMatch(/smtp\.host: expected the host of a server, here or in the option `smtp`/);
  });

  test.each([
    { host: 'evil.example' },
    { port: 25 },
    { tls: 'none' as const },
    { ca: '/other.pem' },
    { servername: 'evil.example' },
    { user: 'them' },
  ])('keep their secret from a request that says %j', (own) => {
    const target = targetOf({ ...short, ...own }, options);
    expect(target).not.toHaveProperty('password');
    expect(target.user).toBe(own.user);
  });

  test.each([
    [{ user: 'us', password: 'env:PW' }, /smtp\.host: expected the server that `user` and `password` are for/],
    [{ sourceAddresses: ['eth0'] }, /smtp\.sourceAddresses/],
    [{ sourceAddresses: [] }, /smtp\.sourceAddresses/],
    [{ connections: 0 }, /smtp\.connections/],
    [{ maxAgeMs: 5 }, /smtp\.maxAgeMs/],
    [{ messages: 5 }, /smtp\.messages: unknown field/],
  ])('%j are refused', (bad, why) => {
    expect(() => check(smtpOptions, bad, 'smtp', 'ERR_CONFIG')).toThrow(why);
  });
});

describe('limits', () => {
  const minute = (most: number) => ({ most, perMs: 60_000 });
  const day = (most: number, of?: 'units') => ({ most, perMs: 86_400_000, ...(of && { of }) });

  test.each([
    ['generic' as const, 5, []],
    ['exchange-online' as const, 3, [minute(30), day(10_000, 'units')]],
    ['gmail' as const, 5, [day(2_000), day(10_000, 'units')]],
  ])('of %s are what it publishes', (preset, connections, quotas) => {
    expect(targetOf({ ...mail, preset })).toMatchObject({ connections, quotas });
    expect(targetOf(mail, { preset })).toMatchObject({ connections, quotas });
  });

  it('are the engine’s where it says so, but not in place of those of a request’s own preset', () => {
    const options = { connections: 20, messagesPerMinute: 600 };
    expect(targetOf(mail, { ...options, preset: 'exchange-online' })).toMatchObject({
      connections: 20,
      quotas: [minute(600), day(10_000, 'units')],
    });
    expect(targetOf({ ...mail, preset: 'exchange-online' }, options)).toMatchObject({
      connections: 3,
      quotas: [minute(30), day(10_000, 'units')],
    });
  });

  it('of recipients hold for one message: one that could never start is refused', () => {
    const to = Array.from({ length: 101 }, (_, i) => `a${i}@y.example`);
    expect(refusal({ ...mail, to, preset: 'gmail' })).toMatch(/101 recipients are more than the 100/);
    expect(refusal({ ...mail, to }, { recipientsPerDay: 50 })).toMatch(/101 recipients are more than the 50/);
    expect(parsed({ ...mail, to }).request.to).toHaveLength(101);
  });
});

describe('what becomes of an answer', () => {
  const spec = makeSmtpSpec();
  const answer = { code: 250, message: 'ok', accepted: ['a@b'], rejected: [] };
  const again = (code: number, enhanced?: string) =>
    spec.again?.({ ...answer, code, step: 'DATA', ...(enhanced !== undefined && { enhanced }) }, parsed(mail));

  it('is ok where the server took the message, be it not for all', () => {
    expect(spec.ok(answer)).toBe(true);
    expect(spec.ok({ ...answer, rejected: [{ address: 'c@d', code: 550, message: 'no' }] })).toBe(true);
    expect(spec.ok({ ...answer, code: 550, step: 'DATA' })).toBe(false);
    expect(spec.ok({ ...answer, code: 451, step: 'MAIL' })).toBe(false);
  });

  it('may be tried again where the server said not now, and never where it said no', () => {
    expect(again(421)).toBeGreaterThan(0);
    expect(again(451, '4.7.1')).toBeGreaterThan(again(432, '4.3.2') as number);
    expect(again(550)).toBeUndefined();
    expect(again(554, '5.2.0')).toBeUndefined();
  });
});
