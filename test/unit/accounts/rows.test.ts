import { describe, expect, it } from 'vitest';
import { type AccountsFormat, parseAccounts } from '../../../src/accounts/rows.ts';
import { KeylaneError } from '../../../src/errors.ts';

/** Each row with its place; of an error its message. */
function rows(text: string, format: AccountsFormat): [string, unknown][] {
  const { accounts, where } = parseAccounts(text, format, 'f');
  return accounts.map((account, i) => [where(i), account instanceof KeylaneError ? account.message : account]);
}

function refusal(text: string, format: AccountsFormat): string {
  try {
    parseAccounts(text, format, 'f');
  } catch (error) {
    if (error instanceof KeylaneError && error.code === 'ERR_INPUT') return error.message;
    throw error;
  }
  throw new Error('it was taken');
}

describe('accounts from CSV', () => {
  it('takes columns by their short names, their paths, in any case and spelling', () => {
    const text = [
      '\ufeffName, driver ,HOST,port,known_hosts,user,identity,labels,password,oauth.clientId,Token URL,timeout_ms',
      'web-1,ssh,web-1.example,2222,/etc/kh,deploy,/k/a; /k/b,eu; web,env:PW,,,5000',
      'mail,smtp,mx.example,,,me@x.example,,eu,,c-1,https://t.example/token,',
    ].join('\r\n');
    expect(rows(text, 'csv')).toEqual([
      [
        'f:2',
        {
          name: 'web-1',
          driver: 'ssh',
          endpoint: { host: 'web-1.example', port: 2222, knownHosts: '/etc/kh' },
          user: 'deploy',
          identity: ['/k/a', '/k/b'],
          labels: ['eu', 'web'],
          secrets: { password: 'env:PW' },
          limits: { timeoutMs: 5_000 },
        },
      ],
      [
        'f:3',
        {
          name: 'mail',
          driver: 'smtp',
          endpoint: { host: 'mx.example' },
          user: 'me@x.example',
          labels: ['eu'],
          oauth: { clientId: 'c-1', tokenUrl: 'https://t.example/token' },
        },
      ],
    ]);
  });

  it('takes what an account of smtp has, numbers as such', () => {
    const text = [
      'name,driver,host,tls,user,password,preset,source_address,client name,connections,messages_per_minute,recipientsPerDay',
      'sales,smtp,mx.example,implicit,sales@x.example,env:PW,gmail,192.0.2.1,me.example,2,20,500',
    ].join('\n');
    expect(rows(text, 'csv')).toEqual([
      [
        'f:2',
        {
          name: 'sales',
          driver: 'smtp',
          endpoint: {
            ...{ host: 'mx.example', tls: 'implicit', preset: 'gmail' },
            ...{ sourceAddress: '192.0.2.1', clientName: 'me.example' },
          },
          user: 'sales@x.example',
          secrets: { password: 'env:PW' },
          limits: { connections: 2, messagesPerMinute: 20, recipientsPerDay: 500 },
        },
      ],
    ]);
  });

  it('counts lines as an editor does: empty ones, line breaks in quotes, both kinds of line end', () => {
    const text = 'name,host\r\n\r\na,x\nb,"y ""q"",\nz"\r\n\n"c",w';
    expect(rows(text, 'csv')).toEqual([
      ['f:3', { name: 'a', endpoint: { host: 'x' } }],
      ['f:5', { name: 'b', endpoint: { host: 'y "q",\nz' } }],
      ['f:7', { name: 'c', endpoint: { host: 'w' } }],
    ]);
  });

  it('lets a short row be, tells of a long one, and leaves a bad number to the check', () => {
    expect(rows('name,port,host\na\nb,22,h,hunter2\nc,ssh,h', 'csv')).toEqual([
      ['f:2', { name: 'a' }],
      ['f:3', 'f:3: 4 cells for 3 columns; a cell with a comma in it goes in quotes'],
      ['f:4', { name: 'c', endpoint: { port: 'ssh', host: 'h' } }],
    ]);
  });

  it.each([
    ['', 'f: is empty; its first line names the columns'],
    ['name,pasword\na,hunter2', 'f:1: unknown column "pasword"; did you mean password?'],
    ['name,color\na,hunter2', 'f:1: unknown column "color"; known are name, driver, user'],
    ['name,host,endpoint.host\na,b,c', 'f:1: the column endpoint.host is there twice'],
    ['name,host\na,"hunter2', 'f:2: begins a quote that is never closed'],
    ['name,host\na,"hun"ter2\n', 'f:2: has something behind a closing quote'],
    ['name,host\na,hun"ter2"\n', 'f:2: has a quote in the middle of a cell'],
    // No header: the first line may be anything.
    ['hunter2,web-1\n', 'f:1: the first line names the columns, one of them `name`; known are name, driver'],
  ])('refuses %j by its line, and shows nothing that may be a secret', (text, says) => {
    expect(refusal(text, 'csv')).toContain(says);
    expect(refusal(text, 'csv')).not.toContain('hunter2');
  });
});

describe('accounts from JSON', () => {
  it('takes an array, and knows the line of each item', () => {
    const text = '\ufeff[\n  {"name": "a{,[\\"",\n   "labels": ["x", "y"]}, {"name": "b"},\n\n  7,\n  []\n]\n';
    expect(rows(text, 'json')).toEqual([
      ['f:2', { name: 'a{,["', labels: ['x', 'y'] }],
      ['f:3', { name: 'b' }],
      ['f:5', 'f:5: expected an account, an object'],
      ['f:6', []],
    ]);
    expect(rows('[]', 'json')).toEqual([]);
  });

  it('takes an account a line, and tells of the lines that are none', () => {
    const text = '{"name":"a"}\r\n\n{"password":"hunter2"\n"hunter2"\n{"name":"b"}';
    expect(rows(text, 'ndjson')).toEqual([
      ['f:1', { name: 'a' }],
      ['f:3', 'f:3: is not valid JSON'],
      ['f:4', 'f:4: expected an account, an object'],
      ['f:5', { name: 'b' }],
    ]);
  });

  it.each([
    ['{"name":"hunter2"}', 'f: expected an array of accounts'],
    ['[{"password":"hunter2",}]', 'f: is not valid JSON'],
    ['', 'f: is not valid JSON'],
  ])('refuses %j as a whole, and shows nothing of it', (text, says) => {
    expect(refusal(text, 'json')).toContain(says);
    expect(refusal(text, 'json')).not.toContain('hunter2');
  });

  it('refuses a format that is not there', () => {
    expect(refusal('', 'xml' as AccountsFormat)).toBe('`format` must be one of csv, json, ndjson, not "xml"');
  });
});
