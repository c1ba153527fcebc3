import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/account.ts';
import { Call } from '../../src/call.ts';
import { isReady, prepare } from '../../src/prepare.ts';
import { echoSpec } from '../../src/specs/echo.ts';
import { requestProblem } from '../../src/specs/request-check.ts';
import { makeSmtpSpec } from '../../src/specs/smtp.ts';
import { makeSshSpec } from '../../src/specs/ssh.ts';
import type { Spec } from '../../src/types.ts';
import { FakeClock, settled } from '../support/fake-clock.ts';

const ssh = makeSshSpec({ agent: 'none' }) as Spec;
const account: Account = {
  name: 'web',
  driver: 'ssh',
  endpoint: { host: 'web.example', port: 2222, jump: 'me@bastion', knownHosts: '/kh', hostKeys: 'accept-new' },
  user: 'deploy',
  identity: ['/k/a', '/k/b'],
  secrets: { password: 'env:A', passphrase: 'file:/b' },
};
const none = { deadline: Number.POSITIVE_INFINITY, signal: undefined };
const asked: string[] = [];
const accountsWith = (found: Account) => ({
  get: async (name: string) => {
    asked.push(name);
    return found;
  },
});
const never = { get: () => new Promise<never>(() => {}) };

describe('a request that names an account', () => {
  it('means the same as one that says itself what the account says', async () => {
    const clock = new FakeClock();
    const { endpoint, user, identity, secrets } = account;
    const long = { ...endpoint, user, identity, ...secrets, command: 'true' };
    const parsed = await prepare(ssh, { account: 'web', command: 'true' }, none, clock, accountsWith(account));
    expect(asked).toEqual(['web']);
    expect(parsed).toEqual(ssh.parse(long));
  });

  it('has no time but its own: it ends at its deadline and at its signal while the account is looked up', async () => {
    const clock = new FakeClock();
    const request = { account: 'web', command: 'true' };
    const late = prepare(ssh, request, { deadline: 50, signal: undefined }, clock, never);
    const lateEnd = late.catch(({ code }: { code: string }) => code);
    clock.advance(50);
    expect(await lateEnd).toBe('ERR_TIMEOUT');
    const stop = new AbortController();
    const canceled = prepare(ssh, request, { deadline: 1_000, signal: stop.signal }, clock, never);
    const canceledEnd = canceled.catch(({ code }: { code: string }) => code);
    await settled();
    stop.abort();
    expect(await canceledEnd).toBe('ERR_CANCELED');
    expect(clock.pending).toBe(0);
  });

  it('takes its labels, each once, and a deadline no later than its limit', async () => {
    const found = { ...account, labels: ['a', 'b'], limits: { timeoutMs: 500 } };
    const parsed = await prepare(ssh, { account: 'web', command: 'x' }, none, new FakeClock(), accountsWith(found));
    const call = (deadline: number, labels?: string[]) =>
      new Call('ssh', parsed, { mode: 'once', priority: 0, deadline, labels, now: 1_000 }, { settled() {} });
    const long = call(60_000, ['b', 'c']);
    expect([long.deadline, long.dueAt, long.labels]).toEqual([1_500, 1_500, ['b', 'c', 'a']]);
    const short = call(1_200);
    expect([short.deadline, short.dueAt, short.labels]).toEqual([1_200, 1_200, ['a', 'b']]);
  });

  it('is the ssh driver’s alone: another’s field of that name is its own', async () => {
    expect(isReady(ssh, { account: 'web' })).toBe(false);
    expect(isReady(ssh, { host: 'a' })).toBe(true);
    for (const odd of [undefined, null, 7, 'text']) expect(isReady(ssh, odd)).toBe(true);
    expect(isReady(echoSpec as Spec, { key: 'k', account: 'web' })).toBe(true);
  });
});

describe('an smtp request that names an account', () => {
  const smtp = makeSmtpSpec() as Spec;
  const sales: Account = {
    name: 'sales',
    driver: 'smtp',
    endpoint: { host: 'mx.example', preset: 'exchange-online', clientName: 'me.example' },
    user: 'sales@x.example',
    secrets: { password: 'env:PW' },
    limits: { connections: 2, timeoutMs: 500 },
    labels: ['mail'],
  };
  const mail = { account: 'sales', from: 'sales@x.example', to: 'bo@y.example', text: 'Hello' };
  const of = (request: object, found: Account = sales) =>
    prepare(smtp, request, none, new FakeClock(), accountsWith(found));

  it('has the account for its key, its limits and its bounds', async () => {
    const parsed = await of(mail);
    expect(parsed.key).toBe('sales');
    expect(parsed.account).toEqual({ labels: ['mail'], timeoutMs: 500 });
    expect(parsed.target).toMatchObject({
      key: 'sales',
      host: 'mx.example',
      port: 587,
      user: 'sales@x.example',
      password: 'env:PW',
      clientName: 'me.example',
      connections: 2,
    });
  });

  it('logs in by a token of that name where the account has oauth, and by its password where it says so', async () => {
    const oauth = { grant: 'client_credentials' as const, tokenUrl: 'https://t.example', clientId: 'c' };
    const { target } = await of(mail, { ...sales, oauth });
    expect(target).toMatchObject({ account: 'sales', user: 'sales@x.example' });
    expect(target).not.toHaveProperty('password');
    const endpoint = { ...sales.endpoint, auth: 'plain' as const };
    expect((await of(mail, { ...sales, oauth, endpoint })).target).toMatchObject({ password: 'env:PW', auth: 'plain' });
  });

  it('is in a lane of its own, be all else the same', async () => {
    const lanes = [sales, { ...sales, name: 'other' }, { ...sales, secrets: { password: 'env:OTHER' } }];
    const found = await Promise.all(lanes.map(async (account) => (await of(mail, account)).lane));
    expect(new Set(found).size).toBe(3);
  });

  it.each([
    'host',
    'port',
    'user',
    'password',
    'tls',
    'ca',
    'servername',
    'auth',
    'clientName',
    'sourceAddress',
    'preset',
  ])('says nothing of `%s`, not even the same', async (field) => {
    await expect(of({ ...mail, [field]: 'x' })).rejects.toThrow(`smtp.${field}: does not go with \`account\``);
    expect(requestProblem('smtp', { ...mail, [field]: 'x' })).toMatch(`request.${field}: does not go with`);
    expect(requestProblem('smtp', mail)).toBeUndefined();
  });

  it('is refused where the account is for another driver, or says no user to log in', async () => {
    await expect(of(mail, account)).rejects.toThrow(
      'smtp.account: the account web is for the driver ssh, not for smtp',
    );
    const { user: _, ...nobody } = sales;
    await expect(of(mail, nobody)).rejects.toThrow('smtp.user: account sales: expected who logs in');
  });
});
