import type { SmtpRequest } from 'keylane';
import { connect } from 'keylane/client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { until } from '../support/engine.js';
import { TestService } from '../support/service.js';
import { MailServer } from '../support/smtp-server.js';

/** Every value of a byte, and what is no UTF-8. */
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
const RAW = Buffer.concat([Buffer.from('From: a@x.example\r\nSubject: raw\r\n\r\n'), Buffer.from([0xff, 0xfe, 0x41])]);

let server: MailServer;
let service: TestService;
beforeAll(async () => {
  server = await MailServer.start();
  const tokens = [
    { name: 'mail', token: 'env:KEYLANE_TEST_MAIL', drivers: ['smtp'], hosts: ['mx.example'] },
    { name: 'files', token: 'env:KEYLANE_TEST_FILES', drivers: ['smtp'], files: true },
  ];
  process.env.KEYLANE_TEST_MAIL = 'm'.repeat(43);
  process.env.KEYLANE_TEST_FILES = 'f'.repeat(43);
  service = await TestService.start({ tokens });
});
afterAll(async () => {
  await service?.stop();
  await server?.stop();
});
beforeEach(() => {
  server.mails.length = 0;
});

const mail = (more: object): SmtpRequest => ({ host: '127.0.0.1', port: server.port, tls: 'none', ...more });
const fields = { from: 'ana@x.example', to: 'bo@y.example', subject: 'Hi' };
const attached = () => mail({ ...fields, attachments: [{ filename: 'all.bin', content: BYTES }] });
const raw = () => mail({ raw: RAW, envelope: { from: 'ana@x.example', to: 'bo@y.example' } });

/** The bytes of the attachment, as whoever gets the mail has them. */
function attachedIn(text: string): Buffer {
  const [, base64 = ''] = /all\.bin[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(text) ?? [];
  return Buffer.from(base64, 'base64');
}

test('bytes of a mail are the same over a service: of an attachment, and of a message as it is', async () => {
  const client = await connect({ url: service.service.url, token: service.service.token });
  expect(await client.run('smtp', attached())).toMatchObject({ code: 250, accepted: ['bo@y.example'], rejected: [] });
  expect(attachedIn(server.mails[0]!.text)).toEqual(BYTES);
  await client.run('smtp', raw());
  // What the server of the tests hands out is text by now: it was no UTF-8, and is not changed otherwise.
  expect(server.mails[1]?.text.trimEnd()).toBe(RAW.toString());
  await client.close();
});

test('and in a batch that the service keeps', async () => {
  const client = await connect({ url: service.service.url, token: service.service.token });
  const jobs = [attached(), raw()].map((request) => ({ request }));
  const { id } = await client.batches.submit(jobs, { driver: 'smtp' });
  await until(async () => (await client.batches.show(id)).counts.ok === 2);
  const found = server.mails.map(({ text }) => attachedIn(text)).find(({ length }) => length > 0);
  expect(found).toEqual(BYTES);
  expect(server.mails.some(({ text }) => text.trimEnd() === RAW.toString())).toBe(true);
  await client.close();
});

test('what is wrong with a mail is told by its field, and what a token may not say is refused', async () => {
  const run = async (request: object, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await service.call('POST', '/v1/run', { driver: 'smtp', request }, headers);
    return { status: answer.status, body: JSON.stringify(await answer.json()) };
  };
  const bad = await run({ ...mail(fields), to: 'bo@y.example\r\nDATA' });
  expect(bad.status).toBe(400);
  expect(bad.body).toContain('smtp.to: must hold no line ends');
  const here = mail(fields);
  expect(await run(here, process.env.KEYLANE_TEST_MAIL)).toMatchObject({ status: 403 });
  expect(await run(here, process.env.KEYLANE_TEST_FILES)).toMatchObject({ status: 200 });
  const file = mail({ raw: { file: '/etc/hostname' }, envelope: { from: '', to: 'bo@y.example' } });
  const refused = await run(file, process.env.KEYLANE_TEST_FILES);
  expect(refused.body).toContain('smtp.raw.file: no file is read unless the option');
  expect(server.mails).toHaveLength(1);
});
