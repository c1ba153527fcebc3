import { describe, expect, it, test } from 'vitest';
import { principalOf } from '../../../src/server/access/principal.ts';
import type { TokenOptions } from '../../../src/server/access/token-options.ts';
import { smtpRequest } from '../../../src/specs/smtp-schema.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** The field that a request is refused for; undefined where it is taken. */
function refused(about: Partial<TokenOptions>, request: object): string | undefined {
  const token = { name: 'tenant', token: `sha256:${'0'.repeat(64)}`, drivers: ['smtp'], ...about } as TokenOptions;
  try {
    principalOf(token, new FakeClock()).checkRequest('smtp', request);
  } catch (error) {
    const { code, fields } = error as { code: string; fields: { field: string }[] };
    expect(code).toBe('ERR_FORBIDDEN');
    return fields[0]?.field;
  }
  return undefined;
}

const LIMITED = { hosts: ['mx.example'] };
const PLAIN = { host: 'mx.example', from: 'a@x.example', to: 'b@y.example' };
/** Of each field a value that a schema takes. */
const FIELDS: Record<string, unknown> = {
  host: 'mx.example',
  port: 587,
  tls: 'starttls',
  ca: '/etc/shadow',
  servername: 'elsewhere.example',
  user: 'me',
  password: 'file:/etc/shadow',
  auth: 'plain',
  clientName: 'me.example',
  sourceAddress: '192.0.2.1',
  preset: 'generic',
  envelope: { from: '', to: 'a@b.example' },
  raw: 'From: a',
  from: 'a@b.example',
  to: 'a@b.example',
  cc: 'a@b.example',
  bcc: 'a@b.example',
  replyTo: 'a@b.example',
  subject: 'x',
  text: 'x',
  html: 'x',
  headers: { 'X-A': 'x' },
  attachments: [{ filename: 'a', content: 'x' }],
  messageId: '<a@b>',
};

test('of each field that an smtp request knows it is decided what a token may say', () => {
  expect(Object.keys(FIELDS).sort()).toEqual(Object.keys(smtpRequest.shape).sort());
  const forWhom = (field: string) => {
    const request = { ...PLAIN, [field]: FIELDS[field] };
    if (refused(LIMITED, request) === undefined) return 'anybody';
    return refused({}, request) === undefined ? 'all hosts' : 'files';
  };
  const of = (who: string) => Object.keys(FIELDS).filter((field) => forWhom(field) === who);
  expect(of('files')).toEqual(['ca', 'password', 'sourceAddress', 'preset']);
  expect(of('all hosts')).toEqual(['servername', 'clientName']);
});

describe('a token', () => {
  it('that may use no files sends no file of the machine, and nothing in the clear', () => {
    const raw = { host: 'mx.example', envelope: FIELDS.envelope, raw: { file: '/etc/shadow' } };
    expect(refused({}, raw)).toBe('request.raw.file');
    expect(refused({}, { ...PLAIN, tls: 'none' })).toBe('request.tls');
    expect(refused(LIMITED, raw)).toBe('request.raw.file');
    for (const request of [raw, { ...PLAIN, tls: 'none' }, { ...PLAIN, password: 'env:A', user: 'a' }])
      expect(refused({ files: true }, request)).toBeUndefined();
  });

  it('for some hosts reaches no other server, by no account and by no field to come', () => {
    for (const [request, field] of [
      [{ ...PLAIN, host: 'evil.example' }, 'request.host'],
      [{ ...PLAIN, host: ['mx.example'] }, 'request.host'],
      [{ ...PLAIN, port: 25 }, 'request.host'],
      [{ ...PLAIN, port: '587' }, 'request.host'],
      [{ from: 'a@x.example', to: 'b@y.example' }, 'request.host'],
      [{ account: 'sales', from: 'a@x.example', to: 'b@y.example' }, 'request.account'],
      [{ ...PLAIN, newField: 1 }, 'request.newField'],
    ] as const)
      expect(refused(LIMITED, request)).toBe(field);
    expect(refused(LIMITED, { ...PLAIN, port: 465, tls: 'implicit' })).toBeUndefined();
    expect(refused({ hosts: ['mx.example:2525'] }, { ...PLAIN, port: 2525 })).toBeUndefined();
    expect(refused({}, { account: 'sales', from: 'a@x.example', to: 'b@y.example' })).toBeUndefined();
  });
});
