import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import type { AccountRequestOf, RequestOf, SmtpAttachment } from '../index.js';
import { UsageError } from './io.js';
import type { MailFlags } from './mail-flags.js';

export type MailRequest = RequestOf<'smtp'> | AccountRequestOf<'smtp'>;

/** Those that an account says. */
const OF_ACCOUNT = [
  ['host', '--host'],
  ['port', '--port'],
  ['user', '--user'],
  ['password', '--password'],
  ['tls', '--tls'],
  ['ca', '--ca'],
  ['servername', '--servername'],
  ['clientName', '--client-name'],
  ['sourceAddress', '--source-address'],
  ['preset', '--preset'],
] as const;
/** Those that a message as it is has in it. */
const COMPOSED = [
  ['subject', '--subject'],
  ['text', '--text'],
  ['textFile', '--text-file'],
  ['html', '--html'],
  ['htmlFile', '--html-file'],
] as const;
const COMPOSED_LISTS = [
  ['header', '--header'],
  ['attach', '--attach'],
  ['replyTo', '--reply-to'],
] as const;
const MOST_BYTES = 50 << 20;

/** The request that the flags make. Files are read here: the engine is given what is in them. */
export async function requestOf(flags: MailFlags, stdin: Readable): Promise<MailRequest> {
  checkFlags(flags);
  const { from, to, cc, bcc, replyTo, subject, raw } = flags;
  const server = serverOf(flags);
  if (raw !== undefined) {
    const recipients = [...to, ...cc, ...bcc].flatMap((text) => text.split(/[,;]/)).map(bare);
    const envelope = { from: bare(from ?? ''), to: recipients.filter((address) => address !== '') };
    return { ...server, envelope, raw: await readBytes('--raw', raw, stdin) };
  }
  const text = flags.textFile === undefined ? flags.text : await readText('--text-file', flags.textFile, stdin);
  const html = flags.htmlFile === undefined ? flags.html : await readText('--html-file', flags.htmlFile, stdin);
  const headers = headersOf(flags.header);
  const attachments: SmtpAttachment[] = [];
  for (const file of flags.attach)
    attachments.push({ filename: basename(file), content: await readBytes('--attach', file, undefined) });
  return {
    ...server,
    ...(from !== undefined && { from }),
    ...(to.length > 0 && { to }),
    ...(cc.length > 0 && { cc }),
    ...(bcc.length > 0 && { bcc }),
    ...(replyTo.length > 0 && { replyTo }),
    ...(subject !== undefined && { subject }),
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    ...(headers && { headers }),
    ...(attachments.length > 0 && { attachments }),
  };
}

function checkFlags(flags: MailFlags): void {
  const { account, raw, text, textFile, html, htmlFile } = flags;
  if (account !== undefined)
    for (const [field, flag] of OF_ACCOUNT)
      if (flags[field] !== undefined) throw new UsageError(`${flag} does not go with --account, which says it`);
  if (flags.password !== undefined && flags.user === undefined)
    throw new UsageError('--password needs -l USER: whose is it?');
  if (flags.from === undefined) throw new UsageError('who is it from? Give --from ADDRESS');
  if (flags.to.length + flags.cc.length + flags.bcc.length === 0)
    throw new UsageError('who gets it? Give --to ADDRESS, --cc or --bcc');
  if (raw !== undefined) {
    for (const [field, flag] of COMPOSED)
      if (flags[field] !== undefined) throw new UsageError(`${flag} does not go with --raw, the message as it is`);
    for (const [field, flag] of COMPOSED_LISTS)
      if (flags[field].length > 0) throw new UsageError(`${flag} does not go with --raw, the message as it is`);
  }
  if (text !== undefined && textFile !== undefined) throw new UsageError('--text and --text-file: give one of them');
  if (html !== undefined && htmlFile !== undefined) throw new UsageError('--html and --html-file: give one of them');
  if (textFile === '-' && htmlFile === '-') throw new UsageError('--text-file - and --html-file -: there is one stdin');
}

function serverOf({ account, ...flags }: MailFlags): { account: string } | Partial<RequestOf<'smtp'>> {
  if (account !== undefined) return { account };
  const said = OF_ACCOUNT.map(([field]) => [field, flags[field]]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said);
}

function headersOf(lines: readonly string[]): Record<string, string> | undefined {
  if (lines.length === 0) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value = ''] = /^([^:\s]+):\s*(.*)$/s.exec(line) ?? [];
    if (name === undefined) throw new UsageError(`--header ${JSON.stringify(line.slice(0, 60))}: write 'Name: value'`);
    if (Object.hasOwn(headers, name)) throw new UsageError(`--header ${name}: is there twice`);
    headers[name] = value;
  }
  return headers;
}

async function readText(flag: string, file: string, stdin: Readable): Promise<string> {
  return (await readBytes(flag, file, stdin)).toString();
}

/** Of a file, or of stdin where one is given. */
async function readBytes(flag: string, file: string, stdin: Readable | undefined): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of file === '-' && stdin ? stdin : createReadStream(file)) {
      pieces.push(Buffer.from(piece));
      size += piece.length;
      if (size > MOST_BYTES) throw new Error('more than 50 MiB');
    }
  } catch (error) {
    throw new UsageError(`${flag} ${file}: ${(error as Error).message}`);
  }
  return Buffer.concat(pieces);
}

/** An envelope has no names. */
function bare(text: string): string {
  return text.trim().replace(/^.*<([^<>]*)>$/s, '$1');
}
