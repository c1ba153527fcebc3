import { oneOf } from './values.js';

/** Flags that say how a mail server is reached, for `Command.option`: those of an account and of `keylane mail send`. */
export const MAIL_FLAGS = {
  tls: [
    '--tls <how>',
    'starttls, implicit or none (default: implicit on port 465, else starttls)',
    oneOf('--tls', ['starttls', 'implicit', 'none']),
  ],
  ca: ['--ca <file>', "PEM file with the certificates that are trusted (default: Node's)"],
  servername: ['--servername <name>', 'name that the certificate must have (default: the host)'],
  clientName: ['--client-name <name>', 'what we call ourselves (EHLO)'],
  sourceAddress: ['--source-address <address>', 'local address to send from'],
  preset: [
    '--preset <name>',
    'limits of a provider: generic, gmail or exchange-online',
    oneOf('--preset', ['generic', 'gmail', 'exchange-online']),
  ],
} as const;
