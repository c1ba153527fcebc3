import { createHash, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { SmtpRequest } from '../smtp-types.js';
import type { SmtpMail, SmtpOrder } from './smtp.js';
import { type Mailbox, mailboxesOf } from './smtp-mailboxes.js';
import { addressOf } from './smtp-texts.js';

/**
 * What the shard is told of a message that is valid. Every try of it is told the same. Of a request that has a mark the
 * Message-ID is made of that: it may be sent by two processes, and is to be seen as one message where both arrive.
 */
export function orderOf(request: SmtpRequest, mark?: string): SmtpOrder {
  const { raw, envelope } = request;
  if (raw !== undefined) return ofRaw(raw, envelope as NonNullable<typeof envelope>);
  const [from] = mailboxesOf(request.from) as [Mailbox];
  const mail: SmtpMail = { from, date: dateNow() };
  const to = mailboxesOf(request.to);
  if (to.length > 0) mail.to = to;
  if (request.cc !== undefined) mail.cc = mailboxesOf(request.cc);
  if (request.replyTo !== undefined) mail.replyTo = mailboxesOf(request.replyTo);
  const { subject, text, html, headers, attachments } = request;
  if (subject !== undefined) mail.subject = subject;
  if (text !== undefined) mail.text = text;
  if (html !== undefined) mail.html = html;
  if (headers !== undefined) mail.headers = headers;
  if (attachments !== undefined) mail.attachments = attachments.map(attached);
  const messageId = bracketed(request.messageId) ?? newId(from.address, mark);
  return { ...envelopeOf(request, from, to, mail.cc), mail, messageId };
}

/** Each recipient once, however many fields name it. Those of `bcc` are in no header. */
function envelopeOf(
  { envelope, bcc }: SmtpRequest,
  from: Mailbox,
  to: readonly Mailbox[],
  cc: readonly Mailbox[] = [],
): { from: string; to: readonly string[] } {
  if (envelope) return bare(envelope);
  if (to.length === 1 && cc.length === 0 && bcc === undefined) return { from: from.address, to: [to[0]!.address] };
  const all = [...to, ...cc, ...mailboxesOf(bcc)];
  return { from: from.address, to: [...new Set(all.map(({ address }) => address))] };
}

function bare({ from, to }: NonNullable<SmtpRequest['envelope']>): { from: string; to: readonly string[] } {
  const all = typeof to === 'string' ? [to] : to;
  return { from: addressOf(from), to: [...new Set(all.map(addressOf))] };
}

function ofRaw(raw: NonNullable<SmtpRequest['raw']>, envelope: NonNullable<SmtpRequest['envelope']>): SmtpOrder {
  const order: SmtpOrder = bare(envelope);
  if (typeof raw === 'object' && 'file' in raw) {
    // A shard has the same working directory, but may change it.
    order.file = resolve(raw.file);
    return order;
  }
  order.raw = bytesOf(raw);
  const messageId = idIn(order.raw);
  if (messageId !== undefined) order.messageId = messageId;
  return order;
}

const MOST_HEAD = 65_536;

/** The Message-ID of a message as it is, if there is one among its first header fields. */
function idIn(raw: string | Uint8Array): string | undefined {
  const start = raw.slice(0, MOST_HEAD);
  const text =
    typeof start === 'string' ? start : Buffer.from(start.buffer, start.byteOffset, start.length).toString('latin1');
  const end = text.search(/\r?\n\r?\n/);
  return /^message-id:[ \t]*(?:\r?\n[ \t]+)?(<[!-;=?-~]{1,250}>)/im.exec(end < 0 ? text : text.slice(0, end))?.[1];
}

function attached({ content, ...rest }: NonNullable<SmtpRequest['attachments']>[number]) {
  return { ...rest, content: bytesOf(content) };
}

function bytesOf(given: string | Uint8Array | { base64: string }): string | Uint8Array {
  return typeof given === 'object' && 'base64' in given ? Buffer.from(given.base64, 'base64') : given;
}

function newId(from: string, mark: string | undefined): string {
  const left = mark === undefined ? randomUUID() : createHash('sha256').update(mark).digest('hex').slice(0, 32);
  return `<${left}@${from.slice(from.lastIndexOf('@') + 1)}>`;
}

function bracketed(messageId: string | undefined): string | undefined {
  return messageId === undefined || messageId.startsWith('<') ? messageId : `<${messageId}>`;
}

let dateAt = 0;
let dateText = '';

/** As RFC 5322 has it, made once a second. */
function dateNow(): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== dateAt) {
    dateAt = second;
    dateText = new Date(second * 1_000).toUTCString().replace('GMT', '+0000');
  }
  return dateText;
}
