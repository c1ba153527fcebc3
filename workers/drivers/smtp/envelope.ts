import { KeylaneError } from '../../../src/errors.js';
import type { SmtpOrder } from '../../../src/specs/smtp.js';
import type { Content } from './content.js';
import type { Extensions } from './extensions.js';
import { pathOf } from './path.js';

/** MAIL and each RCPT as they are on the wire. Throws what is wrong with them, of which the server is told nothing. */
export function commandsOf(
  { from, to }: SmtpOrder,
  { bytes, eightBit }: Content,
  extensions: Extensions,
  key: string,
): string[] {
  if (extensions.mostBytes > 0 && bytes > extensions.mostBytes) {
    const message = `${key}: the message has ${bytes} bytes, and the server takes ${extensions.mostBytes}: send less`;
    throw new KeylaneError('ERR_TOO_LARGE', message, { key });
  }
  if (to.length === 0) throw new KeylaneError('ERR_INPUT', 'smtp.envelope.to: expected a recipient', { key });
  const sender = from === '' ? { text: '', utf8: false } : pathOf(from, 'smtp.envelope.from');
  let { utf8 } = sender;
  const commands = [''];
  for (let i = 0; i < to.length; i++) {
    const recipient = pathOf(to[i] as string, 'smtp.envelope.to');
    utf8 ||= recipient.utf8;
    commands.push(`RCPT TO:<${recipient.text}>\r\n`);
  }
  if (utf8 && !extensions.utf8) {
    const message = `${key}: the server takes no address with letters other than ASCII before its @ (SMTPUTF8)`;
    throw new KeylaneError('ERR_INPUT', message, { key });
  }
  let mail = `MAIL FROM:<${sender.text}>`;
  if (extensions.size) mail += ` SIZE=${bytes}`;
  if (eightBit && extensions.eightBit) mail += ' BODY=8BITMIME';
  if (utf8) mail += ' SMTPUTF8';
  commands[0] = `${mail}\r\n`;
  return commands;
}
