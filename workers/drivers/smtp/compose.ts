import MailComposer from 'nodemailer/lib/mail-composer';
import type { SmtpMail } from '../../../src/specs/smtp.js';

/**
 * A message of fields. Each is taken by name and nothing else is handed on, and files and URLs are off on top of it: what
 * is attached is given, never fetched. (GHSA-p6gq-j5cr-w38f)
 */
export function compose(mail: SmtpMail, messageId: string | undefined): Promise<Buffer> {
  const { from, subject, text, html, headers, attachments } = mail;
  const composer = new MailComposer({
    ...(from !== undefined && { from }),
    ...listed('to', mail.to),
    ...listed('cc', mail.cc),
    ...listed('bcc', mail.bcc),
    ...listed('replyTo', mail.replyTo),
    ...(subject !== undefined && { subject }),
    ...(text !== undefined && { text: String(text) }),
    ...(html !== undefined && { html: String(html) }),
    ...(headers !== undefined && { headers: { ...headers } }),
    ...(messageId !== undefined && { messageId }),
    ...(attachments !== undefined && {
      attachments: attachments.map(({ filename, content, contentType, cid }) => ({
        filename,
        content:
          typeof content === 'string' ? content : Buffer.from(content.buffer, content.byteOffset, content.length),
        ...(contentType !== undefined && { contentType }),
        ...(cid !== undefined && { cid }),
      })),
    }),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

function listed<N extends string>(name: N, list: string | readonly string[] | undefined) {
  if (list === undefined) return {};
  return { [name]: typeof list === 'string' ? list : [...list] } as Record<N, string | string[]>;
}
