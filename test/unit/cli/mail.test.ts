import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sendMail } from '../../../src/cli/mail.ts';
import { type MailFlags, mailCommand } from '../../../src/cli/mail-flags.ts';
import type { MailRequest } from '../../../src/cli/mail-request.ts';
import { program } from '../../../src/cli/program.ts';
import { KeylaneError, type Result, type SmtpResponse } from '../../../src/index.ts';
import { FakeIo } from './fake-exec.ts';

const dir = mkdtempSync(join(tmpdir(), 'keylane-mail-'));
afterAll(() => rmSync(dir, { recursive: true }));

const SENT: SmtpResponse = {
  code: 250,
  enhanced: '2.0.0',
  message: 'queued as 7F',
  accepted: ['bo@y.example'],
  rejected: [],
  messageId: '<7@x.example>',
};

/** Runs `keylane mail send` on an engine that gives this answer; resolves with what it was asked, too. */
async function send(args: string[], answer: Partial<SmtpResponse> | KeylaneError = {}, io = new FakeIo()) {
  const asked: MailRequest[] = [];
  let ended = 'no';
  const engine = {
    async result(
      _: 'smtp',
      request: MailRequest,
      { signal }: { signal: AbortSignal },
    ): Promise<Result<unknown, SmtpResponse>> {
      asked.push(request);
      const base = { index: 0, id: '0', key: 'sales', request, attempts: 1, shard: 0, reused: false } as const;
      const timing = { queuedMs: 0, openMs: 1, runMs: 2 };
      const rest = { ...base, cache: 'none' as const, timing, history: [] };
      if (signal.aborted) return { ...rest, outcome: 'canceled', error: new KeylaneError('ERR_CANCELED') };
      if (answer instanceof KeylaneError) return { ...rest, outcome: answer.outcome, error: answer };
      const response = { ...SENT, ...answer };
      return { ...rest, outcome: response.step === undefined ? 'ok' : 'failed', response };
    },
    async close() {
      ended = 'closed';
    },
    async destroy() {
      ended = 'destroyed';
    },
  };
  let flags: MailFlags | undefined;
  const command = mailCommand(async (given) => {
    flags = given;
  });
  for (const one of command.commands) one.exitOverride();
  await command.parseAsync(['send', '--config', 'none', ...args], { from: 'user' });
  const status = await sendMail(flags as MailFlags, io, { createEngine: async () => engine });
  return { asked, status, out: io.out, err: io.err, ended };
}

const USUAL = ['--account', 'sales', '--from', 'ana@x.example', '--to', 'bo@y.example'];

describe('keylane mail send', () => {
  it('says what the server said, and ends with 0', async () => {
    const { asked, status, out, err, ended } = await send([...USUAL, '--subject', 'Hi', '--text', 'Hello']);
    expect(asked).toEqual([
      { account: 'sales', from: 'ana@x.example', to: ['bo@y.example'], subject: 'Hi', text: 'Hello' },
    ]);
    expect(out).toBe('sent to 1 recipient as <7@x.example>: 250 2.0.0 queued as 7F\n');
    expect({ err, status, ended }).toEqual({ err: '', status: 0, ended: 'closed' });
  });

  it('names each recipient that was refused, and ends with 1', async () => {
    const rejected = [{ address: 'no@y.example', code: 550, enhanced: '5.1.1', message: 'unknown\u001b[31m' }];
    const { status, out, err } = await send([...USUAL, '--to', 'no@y.example'], { rejected });
    expect(out).toContain('sent to 1 recipient, refused for 1 as <7@x.example>: 250');
    expect(err).toMatch(/^refused no@y\.example: 550 5\.1\.1 unknown.*\n$/);
    expect(err).not.toContain('\u001b');
    expect(status).toBe(1);
  });

  it.each([
    [
      { step: 'MAIL' as const, code: 451, enhanced: '4.7.1', message: 'later', accepted: [] },
      1,
      'failed at MAIL: 451 4.7.1 later\n',
    ],
    [
      new KeylaneError('ERR_CONNECT', 'mx.example:587: refused'),
      3,
      'not_started: ERR_CONNECT: mx.example:587: refused\n',
    ],
    [new KeylaneError('ERR_CONNECTION_LOST', 'cut', { outcome: 'unknown' }), 3, 'unknown: ERR_CONNECTION_LOST: cut\n'],
  ])('tells how it failed: %#', async (answer, status, err) => {
    expect(await send(USUAL, answer)).toMatchObject({ status, err, out: '' });
  });

  it('writes the line that a batch writes, with --format', async () => {
    const { out } = await send([...USUAL, '--format', 'ndjson']);
    expect(JSON.parse(out)).toMatchObject({ id: '0', key: 'sales', outcome: 'ok', response: SENT });
    expect(JSON.parse((await send([...USUAL, '--format', 'json'])).out)).toHaveLength(1);
  });

  it('reads its files itself, and hands over what is in them', async () => {
    writeFileSync(join(dir, 'a.txt'), 'Hello\n');
    writeFileSync(join(dir, 'b.bin'), Buffer.from([0, 255]));
    const file = (name: string) => join(dir, name);
    const { asked } = await send([
      ...USUAL,
      '--text-file',
      file('a.txt'),
      '--attach',
      file('b.bin'),
      '--header',
      'X-A: b: c',
    ]);
    expect(asked[0]).toMatchObject({
      text: 'Hello\n',
      attachments: [{ filename: 'b.bin', content: Buffer.from([0, 255]) }],
      headers: { 'X-A': 'b: c' },
    });
    const io = new FakeIo();
    io.stdin.end('From: a\n\nraw');
    const raw = await send(
      [
        '--host',
        'mx.example',
        '-p',
        '25',
        '--tls',
        'none',
        '--from',
        'Ana <ana@x.example>',
        '--to',
        'a@y.example; B <b@y.example>',
        '--raw',
        '-',
      ],
      {},
      io,
    );
    expect(raw.asked).toEqual([
      {
        ...{ host: 'mx.example', port: 25, tls: 'none', raw: Buffer.from('From: a\n\nraw') },
        envelope: { from: 'ana@x.example', to: ['a@y.example', 'b@y.example'] },
      },
    ]);
  });

  it('is cut by a signal, and ends with 130', async () => {
    const io = new FakeIo();
    const answer = send(
      USUAL,
      {},
      Object.assign(io, { on: (signal: string, stop: () => void) => void (signal === 'SIGINT' && stop()) }),
    );
    expect(await answer).toMatchObject({ status: 130, ended: 'destroyed' });
  });

  it.each([
    [['--from', 'a@b', '--to', 'c@d'], 'by which server? Give --account NAME or --host NAME'],
    [['--host', 'h', '--to', 'c@d'], 'who is it from? Give --from ADDRESS'],
    [['--host', 'h', '--from', 'a@b'], 'who gets it? Give --to ADDRESS, --cc or --bcc'],
    [[...USUAL, '--host', 'h'], '--host does not go with --account, which says it'],
    [[...USUAL, '--raw', 'x', '--subject', 'y'], '--subject does not go with --raw'],
    [[...USUAL, '--raw', 'x', '--attach', 'y'], '--attach does not go with --raw'],
    [[...USUAL, '--text', 'x', '--text-file', 'y'], '--text and --text-file: give one of them'],
    [[...USUAL, '--header', 'oops'], "write 'Name: value'"],
    [[...USUAL, '--attach', '/no/such/file'], '--attach /no/such/file: ENOENT'],
    [
      ['--host', 'h', '-l', 'me', '--password', 'hunter2', '--from', 'a@b', '--to', 'c@d'],
      '--password takes a reference',
    ],
    [['--host', 'h', '--password', 'env:A', '--from', 'a@b', '--to', 'c@d'], '--password needs -l USER'],
    [[...USUAL, '--', 'x'], 'mail takes no --'],
    [[...USUAL, '--preset', 'hotmail'], '--preset "hotmail": write generic, gmail, exchange-online'],
  ])('refuses %j with status 2, and says what to do', async (args, why) => {
    const io = new FakeIo();
    expect(await program(['mail', 'send', '--config', 'none', ...args], io)).toBe(2);
    expect(io.err).toContain(why);
    expect(io.err).not.toContain('hunter2');
  });

  it('takes what the request’s own check refuses for a mistake of the command line', async () => {
    const error = new KeylaneError('ERR_INPUT', 'smtp.to[0]: expected an address');
    await expect(send(USUAL, error)).resolves.toMatchObject({ status: 3 });
    const io = new FakeIo();
    const args = ['--host', 'mx.example', '--from', 'ana', '--to', 'c@d.example'];
    expect(await program(['mail', 'send', '--config', 'none', '--data-dir', dir, ...args], io)).toBe(2);
    expect(io.err).toContain('smtp.from: expected an address, like ana@example.com');
  });

  it('teaches', async () => {
    for (const [args, words] of [
      [
        ['mail', '--help'],
        ['send', 'keylane batch run mails.csv --driver smtp'],
      ],
      [
        ['mail', 'send', '--help'],
        ['--account', '--password <ref>', 'Exit status', 'Example', '--raw'],
      ],
    ] as const) {
      const io = new FakeIo();
      expect(await program(args, io)).toBe(0);
      for (const word of words) expect(io.out).toContain(word);
    }
  });
});
