import type { SmtpSink } from './peers/smtp-sink.js';

/** About 2 kB, as postfix's smtp-source sends with `-l`. */
export const MESSAGE = [
  'From: a@example.test',
  'To: b@example.test',
  'Subject: a message of 2 kB',
  'Message-ID: <1@example.test>',
  'Date: Sat, 21 Nov 2026 12:00:00 +0000',
  '',
  ...Array.from({ length: 26 }, (_, i) => `${String(i).padStart(2, '0')} ${'abcdefghij'.repeat(7)}`),
  '',
].join('\r\n');

const ENVELOPE = { from: 'a@example.test', to: 'b@example.test' };

/** A message of each of so many accounts. They log in nowhere: smtp-sink answers AUTH as no server may. */
export function messages({ host, port }: SmtpSink, accounts: number): object[] {
  const same = { host, port, tls: 'none', envelope: ENVELOPE, raw: MESSAGE };
  return Array.from({ length: accounts }, (_, i) => ({ ...same, user: `account-${i}` }));
}
