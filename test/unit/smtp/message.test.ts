import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { SmtpOptions, SmtpRequest } from '../../../src/smtp-types.ts';
import { requestProblem } from '../../../src/specs/request-check.ts';
import { requestSchema } from '../../../src/specs/request-schema.ts';
import { makeSmtpSpec, type SmtpOrder } from '../../../src/specs/smtp.ts';
import { plainMail } from '../../../src/specs/smtp-plain.ts';
import { smtpRequest } from '../../../src/specs/smtp-schema.ts';

const mail = { host: 'mx.example', from: 'ana@x.example', to: 'bo@y.example' };

function orderOf(request: object, options: SmtpOptions = {}): SmtpOrder {
  return makeSmtpSpec(options).parse(request as SmtpRequest).request;
}

function refusal(request: object, options: SmtpOptions = {}): string {
  try {
    orderOf(request, options);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INPUT' });
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

describe('a message of fields', () => {
  it('has its envelope of all who get it, each once, and no header that names those of bcc', () => {
    const order = orderOf({
      ...mail,
      from: 'Ana <ana@x.example>',
      to: ['B <b@y.example>, c@y.example', 'd@y.example'],
      cc: 'b@y.example; e@y.example',
      bcc: ['secret@z.example', 'd@y.example'],
      replyTo: 'r@x.example',
    });
    const all = ['b@y.example', 'c@y.example', 'd@y.example', 'e@y.example', 'secret@z.example'];
    expect(order).toMatchObject({ from: 'ana@x.example', to: all });
    expect(order.mail).toMatchObject({
      from: { name: 'Ana', address: 'ana@x.example' },
      to: [{ name: 'B', address: 'b@y.example' }, { address: 'c@y.example' }, { address: 'd@y.example' }],
      cc: [{ address: 'b@y.example' }, { address: 'e@y.example' }],
      replyTo: [{ address: 'r@x.example' }],
    });
    expect(JSON.stringify(order.mail)).not.toContain('secret@z.example');
  });

  it('goes where its envelope says, if it has one', () => {
    const envelope = { from: 'bounce+7@x.example', to: ['q@bücher.example', 'q@bücher.example'] };
    const order = orderOf({ ...mail, envelope });
    expect(order).toMatchObject({ from: 'bounce+7@x.example', to: ['q@xn--bcher-kva.example'] });
    expect(orderOf({ ...mail, to: undefined, envelope: { from: '', to: 'q@y.example' } }).from).toBe('');
  });

  it('has an id and a date, made once, so that every try of it has the same', () => {
    const [one, two] = [orderOf(mail), orderOf(mail)];
    expect(one.messageId).toMatch(/^<[0-9a-f-]{36}@x\.example>$/);
    expect(two.messageId).not.toBe(one.messageId);
    expect(orderOf({ ...mail, messageId: '7f3a@x.example' }).messageId).toBe('<7f3a@x.example>');
    expect(orderOf({ ...mail, messageId: '<7f3a@x.example>' }).messageId).toBe('<7f3a@x.example>');
    // Where another process may send it too, it is known by its mark.
    const marked = (mark: string, more = {}) =>
      makeSmtpSpec().parse({ ...mail, ...more } as SmtpRequest, mark).request.messageId;
    expect(marked('b/1')).toMatch(/^<[0-9a-f]{32}@x\.example>$/);
    expect([marked('b/1'), marked('b/2'), marked('c/1')].map((id) => id === marked('b/1'))).toEqual([
      true,
      false,
      false,
    ]);
    expect(marked('b/1', { messageId: '7f3a@x.example' })).toBe('<7f3a@x.example>');
    expect(Math.abs(Date.parse(one.mail!.date) - Date.now())).toBeLessThan(60_000);
    expect(one.mail!.date).toMatch(/^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} \+0000$/);
  });

  it('takes bytes as base64 too, as JSON must write them', () => {
    const bytes = Buffer.from([0, 255, 10, 13]);
    const content = { base64: bytes.toString('base64') };
    const order = orderOf({ ...mail, attachments: [{ filename: 'a.bin', content, contentType: 'application/x-a' }] });
    expect(order.mail?.attachments).toEqual([{ filename: 'a.bin', content: bytes, contentType: 'application/x-a' }]);
  });

  test.each([
    [{ ...mail, from: undefined }, /smtp\.from: expected who it is from, or `raw` and `envelope`/],
    [{ ...mail, from: 'a@x.example, b@x.example' }, /smtp\.from: expected one address/],
    [{ ...mail, to: undefined }, /smtp\.to: expected a recipient, in `to`, `cc`, `bcc` or `envelope`/],
    [{ ...mail, to: [] }, /smtp\.to: expected a recipient/],
    [{ ...mail, to: ['a@x.example', 'nobody'] }, /smtp\.to\[1\]: expected an address/],
    [{ ...mail, envelope: { from: 'x', to: 'a@b.example' } }, /smtp\.envelope\.from: expected an address/],
    [{ ...mail, envelope: { from: '', to: 'A <a@b.example>' } }, /smtp\.envelope\.to: .*before its @/],
    [{ ...mail, headers: { 'X-A': 'a\nBcc: b@c' } }, /smtp\.headers\.X-A: must hold no line ends/],
    [{ ...mail, headers: { 'X A': 'a' } }, /expected the name of a header field/],
    [{ ...mail, headers: { bcc: 'a@b' } }, /is said by `bcc`/],
    [{ ...mail, headers: { 'Content-Type': 'text/html' } }, /is made with the message/],
    [{ ...mail, headers: { Date: 'yesterday' } }, /expected a date/],
    [{ ...mail, messageId: 'a b@c' }, /smtp\.messageId: expected a Message-ID/],
    [{ ...mail, sub: 'x' }, /smtp\.sub: unknown field/],
    [{ ...mail, text: 5 }, /smtp\.text: expected a string/],
  ])('%j is refused', (request, why) => {
    expect(refusal(request)).toMatch(why);
  });

  it('is bounded as a whole', () => {
    const content = Buffer.alloc(20 << 20);
    const attachments = ['a', 'b', 'c'].map((filename) => ({ filename, content }));
    expect(refusal({ ...mail, attachments })).toMatch(/smtp\.attachments: expected at most 50 MiB in all/);
    expect(refusal({ ...mail, to: Array(10_001).fill('a@b.example') })).toMatch(/of at most 10,000 of them/);
  });
});

describe('a message as it is', () => {
  const envelope = { from: 'ana@x.example', to: 'bo@y.example' };
  const raw = 'From: ana@x.example\r\nMessage-ID:\r\n <7@x.example>\r\n\r\nmessage-id: <no@x.example>';

  it('goes with its envelope and keeps its id', () => {
    for (const form of [raw, Buffer.from(raw), { base64: Buffer.from(raw).toString('base64') }]) {
      const order = orderOf({ host: 'mx.example', raw: form, envelope });
      expect(order).toMatchObject({ from: 'ana@x.example', to: ['bo@y.example'], messageId: '<7@x.example>' });
      expect(Buffer.from(order.raw as string).toString()).toBe(raw);
    }
    expect(orderOf({ host: 'mx.example', raw: 'A: b\n\nMessage-ID: <x@y>', envelope })).not.toHaveProperty('messageId');
  });

  test.each([
    [{ raw }, /smtp\.envelope: expected `from` and `to`/],
    [{ raw, envelope, subject: 'x' }, /smtp\.subject: does not go with `raw`/],
    [{ raw: 7, envelope }, /smtp\.raw: expected a text, bytes/],
    [{ raw: { base64: '!' }, envelope }, /smtp\.raw: expected a text, bytes/],
    [{ raw: { path: '/etc/passwd' }, envelope }, /smtp\.raw: expected a text, bytes/],
    [{ raw: { file: '/a', encoding: 'x' }, envelope }, /smtp\.raw: expected the path of a file/],
    [{ raw: { file: 'x'.repeat(5_000) }, envelope }, /smtp\.raw: expected the path of a file/],
  ])('%j is refused', (request, why) => {
    expect(refusal({ host: 'mx.example', ...request })).toMatch(why);
  });

  it('is read from a file where the options allow that, and nowhere else', () => {
    const request = { host: 'mx.example', raw: { file: 'mail.eml' }, envelope };
    expect(refusal(request)).toMatch(/smtp\.raw\.file: no file is read unless the option `smtp` says `files: true`/);
    expect(orderOf(request, { files: true }).file).toBe(`${process.cwd()}/mail.eml`);
  });
});

describe('no message makes us read a file or call a URL (M9)', () => {
  const reaches = ['path', 'href', 'raw', 'url', 'file', 'httpHeaders', 'encoding', 'headers'];
  const to = ['/etc/passwd', 'file:///etc/passwd', 'http://127.0.0.1/x', { path: '/etc/passwd' }, { href: 'http://x' }];

  test.each(reaches)('an attachment that says %s', (field) => {
    for (const value of to) {
      const attachment = { filename: 'a.txt', content: 'x', [field]: value };
      expect(refusal({ ...mail, attachments: [attachment] })).toMatch(/is given as `content`, never fetched/);
    }
  });

  test.each([
    'text',
    'html',
    'subject',
    'from',
    'to',
    'raw',
    'attachments',
    'alternatives',
    'watchHtml',
    'amp',
    'icalEvent',
  ])('what `%s` is made of', (field) => {
    for (const value of [
      { path: '/etc/passwd' },
      { href: 'http://127.0.0.1/' },
      { filename: 'a', path: '/etc/passwd' },
    ]) {
      for (const given of [value, [value]])
        expect(() => orderOf({ ...mail, [field]: given }, { files: true })).toThrow(/smtp\./);
    }
  });

  it('however deep or under which prototype it is', () => {
    const content = Object.create({ path: '/etc/passwd' });
    expect(() => orderOf({ ...mail, attachments: [{ filename: 'a', content }] })).toThrow(
      /smtp\.attachments\[0\]\.content/,
    );
    const attachment = JSON.parse('{"filename":"a","content":"x","__proto__":{"path":"/etc/passwd"}}');
    const made = (() => {
      try {
        return orderOf({ ...mail, attachments: [attachment] }).mail?.attachments?.[0];
      } catch {
        return undefined;
      }
    })();
    expect((made as { path?: string } | undefined)?.path).toBeUndefined();
  });

  it('and what an attachment is called is no path', () => {
    for (const filename of ['/etc/passwd', '..\\x', 'a/b', 'a\r\nX: y', '', 'a\0b'])
      expect(() => orderOf({ ...mail, attachments: [{ filename, content: '' }] })).toThrow(/filename/);
  });
});

describe('no line end comes into a command or a header (M10)', () => {
  const evil = fc
    .tuple(
      fc.string({ maxLength: 12 }),
      fc.constantFrom('\r', '\n', '\0', '\r\n', '\r\nBcc: e@e.example'),
      fc.string({ maxLength: 12 }),
    )
    .map((parts) => parts.join(''));
  const dressed = fc.oneof(
    evil,
    evil.map((text) => `"${text}" <a@x.example>`),
    evil.map((text) => `a${text}@x.example`),
    evil.map((text) => `a@x.example${text}`),
  );
  const attachment = (field: string) => (value: string) => ({
    attachments: [{ filename: 'a', content: 'x', [field]: value }],
  });
  const places: Record<string, (value: string) => object> = {
    'envelope.from': (value) => ({ envelope: { from: value, to: 'a@b.example' } }),
    'envelope.to': (value) => ({ envelope: { from: '', to: ['a@b.example', value] } }),
    from: (value) => ({ from: value }),
    to: (value) => ({ to: ['a@b.example', value] }),
    cc: (value) => ({ cc: value }),
    bcc: (value) => ({ bcc: value }),
    replyTo: (value) => ({ replyTo: value }),
    subject: (value) => ({ subject: value }),
    'a header’s name': (value) => ({ headers: { [value]: 'x' } }),
    'a header’s value': (value) => ({ headers: { 'X-A': value } }),
    messageId: (value) => ({ messageId: value }),
    clientName: (value) => ({ clientName: value }),
    user: (value) => ({ user: value }),
    host: (value) => ({ host: value }),
    servername: (value) => ({ servername: value }),
    filename: attachment('filename'),
    contentType: attachment('contentType'),
    cid: attachment('cid'),
  };

  test.each(Object.keys(places))('by %s', (place) => {
    fc.assert(
      fc.property(dressed, (value) => {
        const request = { ...mail, ...places[place]!(value) };
        expect(() => orderOf(request)).toThrow(/smtp\./);
        expect(requestProblem('smtp', request)).toMatch(/^request/);
      }),
    );
  });
});

describe('the short way for plain requests', () => {
  const field = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 4 });
  const text = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom('a@x.example', 'A <a@x.example>', 'a@x.example, b@y', 'env:A', ''),
  );
  const any = fc.oneof(text, fc.integer(), fc.constant(null), fc.constant({ from: '', to: 'a@b' }));
  const fine = {
    host: fc.constantFrom('mx.example', '127.0.0.1', '-x', 'a b'),
    port: fc.integer({ min: -1, max: 70_000 }),
    from: text,
    to: text,
    subject: text,
    text,
    user: text,
    password: text,
    messageId: fc.constantFrom('<a@b>', 'a@b', 'a'),
    tls: fc.constantFrom('none', 'starttls', 'no'),
    raw: fc.oneof(text, fc.uint8Array()),
    envelope: fc.record({ from: text, to: text }),
    cc: text,
    sub: any,
  };
  const request = fc.record(
    Object.fromEntries(
      Object.entries(fine).map(([name, value]) => [
        name,
        fc.oneof({ weight: 9, arbitrary: field(value as fc.Arbitrary<unknown>) }, any),
      ]),
    ),
    { requiredKeys: [] },
  );

  it('takes nothing that the schema refuses, and changes nothing', () => {
    fc.assert(
      fc.property(request, (given) => {
        const plain = plainMail(given);
        if (plain === undefined) return;
        expect(plain).toEqual(given);
        expect(smtpRequest.safeParse(given)).toMatchObject({ success: true });
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the way of the usual ones', () => {
    for (const usual of [
      mail,
      { ...mail, subject: 'a', text: 'b', user: 'u', password: 'env:A' },
      { host: 'h', raw: 'x', envelope: { from: 'a@b', to: 'c@d' } },
    ])
      expect(plainMail(usual)).toEqual(usual);
    expect(plainMail({ ...mail, attachments: [] })).toBeUndefined();
  });
});

test('its schema tells what may be bytes, as JSON has them', () => {
  const { properties } = requestSchema('smtp') as {
    properties: Record<string, { anyOf?: { required?: string[] }[]; items?: unknown }>;
  };
  expect(properties.raw?.anyOf?.map(({ required }) => required?.[0])).toEqual([undefined, 'base64', 'file']);
  expect(JSON.stringify(properties.attachments?.items)).toContain('base64');
  expect(JSON.stringify(properties.attachments?.items)).not.toContain('"file"');
});
