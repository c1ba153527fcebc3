import { describe, expect, it } from 'vitest';
import type { Account } from '../../../src/accounts/account.ts';
import { Accounts } from '../../../src/accounts/accounts.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const never = () => Promise.reject(new Error('nothing is verified here'));

function make(allowCommands = false) {
  const store = new MemoryStore();
  let opened = 0;
  const open = async () => {
    opened++;
    return store;
  };
  const verifiers = { token: never, connection: never };
  const accounts = new Accounts(open, { allowCommands }, verifiers, { cache: never }, new FakeClock());
  return { accounts, store, opened: () => opened };
}

const web = (name: string, more: Partial<Account> = {}): Account => ({
  name,
  driver: 'ssh',
  endpoint: { host: `${name}.example` },
  ...more,
});

describe('accounts', () => {
  it('opens its store at first use, not before', async () => {
    const { accounts, opened } = make();
    expect(opened()).toBe(0);
    await accounts.list();
    expect(opened()).toBe(1);
  });

  it('gives back what was added, field for field', async () => {
    const { accounts, store } = make();
    const account: Account = {
      ...web('web-1', { user: 'deploy', identity: ['~/.ssh/id_a', '/keys/b'], labels: ['eu', 'web'] }),
      endpoint: { host: 'web-1.example', port: 2222, jump: 'me@bastion:22', knownHosts: '/etc/kh', hostKeys: 'strict' },
      secrets: { password: 'env:WEB_PASSWORD', passphrase: 'file:/run/secrets/key' },
      limits: { timeoutMs: 5_000, maxOutputBytes: 1_024 },
    };
    await accounts.add(account);
    expect(await accounts.get('web-1')).toEqual(account);
    expect(store.transactions).toBe(1);
  });

  it('refuses an account twice, by its name, and keeps the first', async () => {
    const { accounts } = make();
    await accounts.add(web('web-1'));
    await expect(accounts.add(web('web-1', { user: 'other' }))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      message: 'there is an account web-1 already',
    });
    expect(await accounts.get('web-1')).toEqual(web('web-1'));
  });

  it('names the nearest account where there is none of the name', async () => {
    const { accounts } = make();
    for (const name of ['web-01', 'web-1', 'db-1']) await accounts.add(web(name));
    const unknown = (name: string) =>
      Promise.all(
        [accounts.get(name), accounts.set(name, {}), accounts.remove(name), accounts.verify([name])].map((tried) =>
          tried.then(String, ({ code, message }: { code: string; message: string }) => `${code} ${message}`),
        ),
      );
    expect(new Set(await unknown('wep-1'))).toEqual(
      new Set(['ERR_INPUT there is no account "wep-1": did you mean `web-1`?']),
    );
    expect((await unknown('mail'))[0]).toContain('`keylane accounts list` has them');
    expect((await unknown('x'.repeat(5_000)))[0]).toContain('there is no account "xxx');
  });

  it('looks at a few of very many names for the nearest one, first at those that begin alike', async () => {
    const { accounts, store } = make();
    await accounts.import(Array.from({ length: 2_000 }, (_, i) => web(`host-${i}`)));
    await accounts.add(web('zeppelin'));
    let looked = 0;
    const { range } = store;
    store.range = function* (of) {
      for (const entry of range.call(store, of)) {
        looked++;
        yield entry;
      }
    };
    await expect(accounts.get('zepelin')).rejects.toThrow('did you mean `zeppelin`?');
    expect(looked).toBeLessThanOrEqual(400);
  });

  it('lists in the order of names, by driver and by labels that must all be there', async () => {
    const { accounts } = make();
    await accounts.add(web('b', { labels: ['eu', 'web'] }));
    await accounts.add(web('a', { labels: ['eu'] }));
    await accounts.add({ ...web('c', { labels: ['web', 'eu'] }), driver: 'smtp' });
    const names = async (filter: object) => (await accounts.list(filter)).map(({ name }) => name);
    expect(await names({})).toEqual(['a', 'b', 'c']);
    expect(await names({ labels: ['web', 'eu'] })).toEqual(['b', 'c']);
    expect(await names({ labels: ['web'], driver: 'ssh' })).toEqual(['b']);
    await expect(accounts.list({ lables: [] } as object)).rejects.toThrow('filter.lables: unknown field; did you mean');
  });

  it('changes what is given, field by field, takes away what is null, and keeps the rest', async () => {
    const { accounts } = make();
    await accounts.add(web('a', { user: 'u', labels: ['x'], secrets: { password: 'env:A', passphrase: 'env:B' } }));
    const changed = await accounts.set('a', {
      endpoint: { port: 2222 },
      secrets: { password: null },
      labels: ['y'],
      user: null,
    });
    expect(changed).toEqual({
      ...web('a', { labels: ['y'], secrets: { passphrase: 'env:B' } }),
      endpoint: { host: 'a.example', port: 2222 },
    });
    expect(await accounts.get('a')).toEqual(changed);
    expect(await accounts.set('a', { secrets: { passphrase: null } })).not.toHaveProperty('secrets');
    await expect(accounts.set('a', { endpoint: { host: null } })).rejects.toThrow('a: account.endpoint.host: ');
    await expect(accounts.set('a', { name: 'b' } as object)).rejects.toThrow('cannot be changed');
    await expect(accounts.set('a', 'user=b' as never)).rejects.toThrow('a change is an object');
    expect(await accounts.get('a')).toMatchObject({ endpoint: { port: 2222 } });
  });

  it('removes all that are named, or none', async () => {
    const { accounts } = make();
    for (const name of ['a1', 'b1', 'c1']) await accounts.add(web(name));
    await expect(accounts.remove(['a1', 'd1'])).rejects.toMatchObject({ code: 'ERR_INPUT' });
    expect(await accounts.list()).toHaveLength(3);
    await accounts.remove(['a1', 'c1']);
    await accounts.remove('b1');
    expect(await accounts.list()).toEqual([]);
  });
});

describe('an import', () => {
  it('takes all rows in one transaction', async () => {
    const { accounts, store } = make();
    async function* rows() {
      for (let i = 0; i < 1_000; i++) yield web(`web-${i}`);
    }
    expect(await accounts.import(rows())).toEqual({ added: 1_000, replaced: 0, skipped: [] });
    expect(store.transactions).toBe(1);
    expect(await accounts.list()).toHaveLength(1_000);
  });

  it('takes nothing if a row is bad, and names each by its place and field', async () => {
    const { accounts } = make();
    const rows = [
      web('a'),
      { ...web('b'), endpoint: { host: 'b', prot: 1 } },
      web('a'),
      'c',
      { ...web('d'), driver: '' },
    ];
    const failed = accounts.import(rows, { where: (index) => `fleet.csv:${index + 2}` });
    await expect(failed).rejects.toMatchObject({
      code: 'ERR_INPUT',
      message: [
        'fleet.csv:3: account.endpoint.prot: unknown field; did you mean `port`?',
        'fleet.csv:4: the account a is in fleet.csv:2 too',
        'fleet.csv:5: account: expected an object',
        `fleet.csv:6: account.driver: expected a driver's name, like ssh or smtp`,
      ].join('\n'),
    });
    expect(await accounts.list()).toEqual([]);
  });

  it('says how many more rows are bad than an error can tell of', async () => {
    const { accounts } = make();
    const failed = accounts.import(Array.from({ length: 50 }, () => 'x'));
    await expect(failed).rejects.toThrow(/accounts\[19\].*\nand 30 more$/s);
  });

  it('takes the good rows with skipBad, and tells of the others', async () => {
    const { accounts } = make();
    await accounts.add(web('a', { user: 'kept' }));
    const { added, replaced, skipped } = await accounts.import([web('a'), { name: 'b' }, web('c')], { skipBad: true });
    expect({ added, replaced }).toEqual({ added: 1, replaced: 0 });
    expect(skipped.map(({ code }) => code)).toEqual(['ERR_INPUT', 'ERR_EXISTS']);
    expect(skipped[1]?.message).toBe('accounts[0]: there is an account a already');
    expect((await accounts.list()).map(({ name, user }) => `${name} ${user}`)).toEqual(['a kept', 'c undefined']);
  });

  it('refuses accounts that are there, or writes over them with replace', async () => {
    const { accounts } = make();
    await accounts.add(web('a', { user: 'old', labels: ['old'] }));
    await expect(accounts.import([web('b'), web('a')])).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      message: 'accounts[1]: there is an account a already',
    });
    expect(await accounts.list()).toHaveLength(1);
    const imported = await accounts.import([web('b'), web('a', { user: 'new' })], { replace: true });
    expect(imported).toEqual({ added: 1, replaced: 1, skipped: [] });
    expect(await accounts.get('a')).toEqual(web('a', { user: 'new' }));
  });
});

describe('a secret', () => {
  const secret = 'Tr0ub4dor&3';

  it.each([
    [
      { secrets: { password: secret } },
      'account.secrets.password: expected a reference, not the secret itself: put it',
    ],
    [{ secrets: { passphrase: `cmd:pass ${secret}` } }, 'account.secrets.passphrase: cmd: is for where'],
    [{ secrets: { password: `env:${secret}` } }, 'account.secrets.password: expected env: and the name of a variable'],
    [{ secrets: { password: `file:${secret}` } }, 'account.secrets.password: expected file: and an absolute path'],
    [{ secrets: { pasword: secret } }, 'account.secrets.pasword: unknown field; did you mean `password`?'],
    [{ password: secret }, 'account.password: unknown field'],
    [{ secrets: { password: { clear: secret } } }, 'account.secrets.password: expected a string'],
    [{ endpoint: { host: 'a', jump: `me:${secret}@b` } }, 'account.endpoint.jump: '],
    [
      {
        driver: 'smtp',
        oauth: { grant: 'refresh_token', clientId: 'c', issuer: 'https://i.example', refreshToken: secret },
      },
      'account.oauth.refreshToken: expected a reference, not the secret itself',
    ],
    [
      {
        driver: 'smtp',
        oauth: { grant: 'client_credentials', clientId: 'c', tokenUrl: `https://c:${secret}@i.example` },
      },
      'account.oauth.tokenUrl: must hold no user and no password',
    ],
  ])('in clear is refused with how to give it, and never shown: %#', async (more, says) => {
    const { accounts, store } = make();
    const failed = await accounts.add({ ...web('a'), ...more } as Account).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'ERR_INPUT' });
    expect(String(failed)).toContain(says);
    expect(`${String(failed)} ${(failed as Error).stack}`).not.toContain(secret);
    expect(store.values.size).toBe(0);
  });

  it('may be the output of a command where that is allowed', async () => {
    const { accounts } = make(true);
    await accounts.add(web('a', { secrets: { password: 'cmd:pass show web' } }));
    expect((await accounts.get('a')).secrets).toEqual({ password: 'cmd:pass show web' });
  });
});

describe('an account is refused', () => {
  const oauth = {
    grant: 'client_credentials',
    clientId: 'c',
    clientSecret: 'env:S',
    tokenUrl: 'https://t.example/token',
  };
  it.each([
    [{ name: '' }, 'account.name: expected the name of an account, not an empty string'],
    [{ name: '../x' }, 'account.name: the name of an account may hold'],
    [{ name: 'a\u0000b' }, 'not U+0000'],
    [{ name: 'x'.repeat(256) }, 'at most 255 characters'],
    [{ endpoint: {} }, 'account.endpoint.host: expected a string; it is missing'],
    [{ endpoint: { host: 'a:22' } }, 'give the port as `port`'],
    [{ endpoint: { host: 'a', port: 0 } }, 'account.endpoint.port: expected a port from 1 to 65535'],
    [{ identity: 'id_rsa' }, 'account.identity: expected an absolute path'],
    [{ limits: { timeoutMs: 0 } }, 'account.limits.timeoutMs: '],
    [{ limits: { timeoutMs: Number.NaN } }, 'account.limits.timeoutMs: '],
    [{ labels: [''] }, 'account.labels[0]: '],
    [{ oauth }, 'account.oauth: does not go with ssh'],
    [{ user: 'a b' }, 'account.user: a user name may hold'],
    [{ endpoint: { host: 'a', preset: 'gmail' } }, 'account.endpoint.preset: goes with smtp'],
    [{ endpoint: { host: 'a', tls: 'none' } }, 'account.endpoint.tls: goes with smtp'],
    [{ limits: { messagesPerMinute: 5 } }, 'account.limits.messagesPerMinute: goes with smtp'],
    [{ driver: 'smtp', limits: { maxOutputBytes: 5 } }, 'account.limits.maxOutputBytes: goes with ssh'],
    [{ driver: 'smtp', limits: { connections: 0 } }, 'account.limits.connections: expected a whole number from 1'],
    [{ driver: 'smtp', user: 'a\nb' }, 'account.user: must hold no line ends'],
    [{ driver: 'smtp', endpoint: { host: 'm', auth: 'xoauth2' } }, 'account.endpoint.auth: xoauth2 goes with `oauth`'],
    [{ driver: 'smtp', endpoint: { host: 'm', auth: 'plain' } }, 'account.endpoint.auth: plain goes with `secrets.'],
    [{ driver: 'smtp', endpoint: { host: 'm', ca: 'ca.pem' } }, 'account.endpoint.ca: expected an absolute path'],
    [{ driver: 'smtp', endpoint: { host: 'm', sourceAddress: 'eth0' } }, 'account.endpoint.sourceAddress: expected an'],
    [{ driver: 'smtp', endpoint: { host: 'm', preset: 'x' } }, 'account.endpoint.preset: expected one of'],
    [
      { driver: 'smtp', endpoint: { host: 'm', tls: 'none' }, user: 'a', secrets: { password: 'env:A' } },
      'account.endpoint.tls: a log-in goes over TLS',
    ],
    [{ driver: 'smtp', identity: '/k' }, 'account.identity: goes with ssh'],
    [{ driver: 'smtp', endpoint: { host: 'm', hostKeys: 'insecure' } }, 'account.endpoint.hostKeys: goes with ssh'],
    [{ driver: 'smtp', oauth: { ...oauth, tokenUrl: 'http://t.example' } }, 'account.oauth.tokenUrl: expected https'],
    [{ driver: 'smtp', oauth: { ...oauth, issuer: 'https://i.example' } }, 'exactly one of `tokenUrl` and `issuer`'],
    [
      { driver: 'smtp', oauth: { ...oauth, clientSecret: undefined } },
      'account.oauth.clientSecret: expected a reference',
    ],
    [{ driver: 'smtp', oauth: { ...oauth, grant: 'password' } }, 'account.oauth.grant: expected one of'],
  ])('that is not valid, with the field and what was expected: %#', async (more, says) => {
    const { accounts } = make();
    const failed = await accounts.add({ ...web('a'), ...more } as Account).catch((error: Error) => error);
    expect(failed).toMatchObject({ code: 'ERR_INPUT', outcome: 'not_started', retryable: false });
    expect(String(failed)).toContain(says);
  });

  it('but a mailbox may have any name, and be reached in any way that smtp knows', async () => {
    const { accounts } = make();
    const mailbox: Account = {
      name: 'sales',
      driver: 'smtp',
      endpoint: {
        ...{ host: 'mx.example', port: 465, tls: 'implicit', ca: '/ca.pem', servername: 'mx', auth: 'login' },
        ...{ clientName: 'me.example', sourceAddress: '192.0.2.1', preset: 'exchange-online' },
      },
      user: 'CORP\\sales team',
      secrets: { password: 'env:SALES' },
      limits: { connections: 2, messagesPerMinute: 20, recipientsPerDay: 5_000, timeoutMs: 9 },
    };
    await accounts.add(mailbox);
    expect(await accounts.get('sales')).toEqual(mailbox);
  });

  it('but a token server on this machine may speak http', async () => {
    const { accounts } = make();
    for (const [i, tokenUrl] of ['http://127.0.0.1:80/t', 'http://[::1]:80/t', 'http://localhost/t'].entries())
      await accounts.add({ ...web(`a${i}`), driver: 'smtp', oauth: { ...oauth, tokenUrl } } as Account);
    expect(await accounts.list({ driver: 'smtp' })).toHaveLength(3);
  });
});
