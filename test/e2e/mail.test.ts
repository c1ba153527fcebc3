import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MailServer, refusal } from '../support/smtp-server.ts';
import { BatchFolder, linesOf } from './batch-cli.ts';
import { Cli } from './exec-cli.ts';

/** A server that lets one user in, and knows nobody whose name begins with `no`. */
const OPTIONS: SMTPServerOptions = {
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  allowInsecureAuth: true,
  onAuth: ({ username, password }, _, done) =>
    password === 'hunter2' ? done(null, { user: username }) : done(new Error('wrong password')),
  onRcptTo: ({ address }, _, done) =>
    done(address.startsWith('no') ? refusal(550, `5.1.1 ${address} is unknown`) : null),
};

let server: MailServer;
let dir: string;
beforeAll(async () => {
  server = await MailServer.start(OPTIONS);
  dir = mkdtempSync(join(tmpdir(), 'keylane-mail-'));
});
afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  server.mails.length = 0;
  server.verdict = () => '2.0.0 queued as 7F';
});

const here = () => ['--host', '127.0.0.1', '-p', String(server.port), '--tls', 'none'];
const send = (args: string[], env: Record<string, string> = {}, input?: string) =>
  new Cli(['mail', 'send', '--data-dir', join(dir, 'data'), ...args], env).end(input);

test('a mail with an attachment is sent, and who was refused is named', async () => {
  const report = join(dir, 'réport.bin');
  writeFileSync(report, Buffer.from([0, 1, 2, 0xff]));
  const people = ['--from', 'Ana <ana@x.example>', '--to', 'Bo <bo@y.example>; no@y.example', '--bcc', 'cy@y.example'];
  const sent = await send([
    ...here(),
    ...people,
    '--subject',
    'Grüße',
    '--text',
    'Hello\n.\nWorld',
    '--attach',
    report,
  ]);
  expect(sent.out).toMatch(
    /^sent to 2 recipients, refused for 1 as <[0-9a-f-]+@x\.example>: 250 2\.0\.0 queued as 7F\n$/,
  );
  expect(sent.err).toBe('refused no@y.example: 550 5.1.1 no@y.example is unknown\n');
  expect(sent.status).toBe(1);
  const [mail] = server.mails;
  expect(mail).toMatchObject({ from: 'ana@x.example', to: ['bo@y.example', 'cy@y.example'] });
  expect(mail?.text).toMatch(/^From: Ana <ana@x\.example>\r?$/m);
  expect(mail?.text).toContain(Buffer.from([0, 1, 2, 0xff]).toString('base64'));
  expect(mail?.text).toMatch(/^Date: \w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000\r?$/m);
  expect(mail?.text).not.toContain('cy@y.example');
});

test('an account logs in, and is tried out by a log-in', async () => {
  const env = { MAIL_PASSWORD: 'hunter2', WRONG_PASSWORD: 'letmein' };
  const accounts = (args: string[]) => new Cli(['accounts', ...args, '--data-dir', join(dir, 'data')], env).end();
  const flags = ['--driver', 'smtp', ...here(), '-l', 'ana@x.example', '--password', 'env:MAIL_PASSWORD'];
  const limits = ['--preset', 'gmail', '--client-name', 'me.example', '--connections', '2'];
  const added = await accounts(['add', 'sales', ...flags, ...limits, '--format', 'ndjson']);
  expect(JSON.parse(added.out)).toMatchObject({
    endpoint: { host: '127.0.0.1', tls: 'none', preset: 'gmail', clientName: 'me.example' },
    secrets: { password: 'env:MAIL_PASSWORD' },
    limits: { connections: 2 },
  });
  const file = join(dir, 'accounts.csv');
  const row = `wrong,smtp,127.0.0.1,${server.port},none,ana@x.example,env:WRONG_PASSWORD,30`;
  writeFileSync(file, `name,driver,host,port,tls,user,password,messages_per_minute\n${row}\n`);
  expect(await accounts(['import', file])).toMatchObject({ status: 0 });
  const verified = await accounts(['verify', '--format', 'ndjson']);
  expect(
    verified.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { name: 'sales', ok: true, tried: 'connection' },
    { name: 'wrong', ok: false, error: { code: 'ERR_AUTH' } },
  ]);
  const raw = 'From: ana@x.example\nMessage-ID: <7@x.example>\n\nHello\n';
  const mail = ['--account', 'sales', '--from', 'ana@x.example', '--to', 'bo@y.example', '--raw', '-'];
  const sent = await send([...mail, '--format', 'ndjson'], env, raw);
  expect(JSON.parse(sent.out)).toMatchObject({ key: 'sales', outcome: 'ok', response: { messageId: '<7@x.example>' } });
  expect(server.mails).toMatchObject([{ user: 'ana@x.example', to: ['bo@y.example'] }]);
  expect(server.mails[0]?.text.replaceAll('\r\n', '\n')).toBe(raw);
  expect(`${sent.out}${sent.err}${verified.out}${verified.err}`).not.toMatch(/hunter2|letmein/);
});

test('a CSV file is a batch of mails, with a column for each field', async () => {
  const folder = new BatchFolder();
  const rows = [
    'id,host,port,tls,from,to,subject,text',
    ...[
      'a,bo@y.example; cy@y.example',
      'b,"Dee <dee@y.example>"',
      'c,nobody@y.example',
      'd,"no@y.example, ed@y.example"',
    ].map((row) => `${row.replace(',', `,127.0.0.1,${server.port},none,ana@x.example,`)},Hi,"Hello, you\nthere"`),
  ];
  writeFileSync(folder.path('mails.csv'), `${rows.join('\n')}\n`);
  const ran = await folder.run('run', folder.path('mails.csv'), '--driver', 'smtp', '--ordered');
  expect(linesOf(ran.out).map(({ id, outcome }) => [id, outcome])).toEqual([
    ['a', 'ok'],
    ['b', 'ok'],
    ['c', 'failed'],
    ['d', 'ok'],
  ]);
  expect(ran.err).toContain('550 5.1.1 nobody@y.example is unknown: 127.0.0.1');
  expect(ran.err).toMatch(/1 recipient refused, of mails that were sent to others:\n {2}no@y\.example: 550 /);
  expect(ran.status).toBe(1);
  expect(server.mails.map(({ to }) => to.join()).sort()).toEqual([
    'bo@y.example,cy@y.example',
    'dee@y.example',
    'ed@y.example',
  ]);
  expect(server.mails[0]?.text.replaceAll('\r\n', '\n')).toContain('Hello, you\nthere');
});

test('a CSV file with a bad address starts nothing, and names its line', async () => {
  const folder = new BatchFolder();
  const row = (to: string) => `127.0.0.1,${server.port},none,ana@x.example,${to},Hi`;
  writeFileSync(folder.path('mails.csv'), `host,port,tls,from,to,subject\n${row('bo@y.example')}\n${row('bo at y')}\n`);
  const ran = await folder.run('run', folder.path('mails.csv'), '--driver', 'smtp');
  expect(ran.status).toBe(2);
  expect(ran.err).toMatch(/mails\.csv:3: request\.to: expected an address/);
  expect(server.mails).toEqual([]);
});
