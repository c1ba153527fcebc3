import MailComposer from 'nodemailer/lib/mail-composer';
import type { SmtpMail } from '../../../src/specs/smtp.js';

/**
 * A message of fields. Each is taken by name and nothing else is handed on, and files and URLs are off on top of it: what
 * is attached is given, never fetched. (GHSA-p6gq-j5cr-w38f)
 */
export function compose(mail: SmtpMail, messageId: string | undefined): Promise<Buffer> {
  const { from, to, cc, replyTo, subject, text, html, headers, attachments, date } = mail;
  const ownDate = headers && Object.keys(headers).some((name) => name.toLowerCase() === 'date');
  const composer = new MailComposer({
    from: { ...from },
    ...(to !== undefined && { to: to.map(copied) }),
    ...(cc !== undefined && { cc: cc.map(copied) }),
    ...(replyTo !== undefined && { replyTo: replyTo.map(copied) }),
    ...(subject !== undefined && { subject }),
    ...(text !== undefined && { text: String(text) }),
    ...(html !== undefined && { html: String(html) }),
    ...(headers !== undefined && { headers: { ...headers } }),
    ...(!ownDate && { date }),
    ...(messageId !== undefined && { messageId }),
    ...(attachments !== undefined && { attachments: attachments.map(attached) }),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

function copied({ name, address }: SmtpMail['from']): SmtpMail['from'] {
  return { name, address };
}

function attached({ filename, content, contentType, cid }: NonNullable<SmtpMail['attachments']>[number]) {
  return {
    filename,
    content: typeof content === 'string' ? content : Buffer.from(content.buffer, content.byteOffset, content.length),
    ...(contentType !== undefined && { contentType }),
    ...(cid !== undefined && { cid }),
  };
}
