import { KeylaneError } from '../errors.js';
import type { SmtpOptions, SmtpRequest, SmtpResponse } from '../smtp-types.js';
import type { Quota, Spec } from '../types.js';
import { check } from '../util/check.js';
import { grouped } from '../util/grouped.js';
import { SmtpOfAccount } from './smtp-account.js';
import { SmtpLanes } from './smtp-lanes.js';
import type { Mailbox } from './smtp-mailboxes.js';
import { orderOf } from './smtp-message.js';
import { plainMail } from './smtp-plain.js';
import { smtpRequest } from './smtp-schema.js';
import type { SourceDeps } from './smtp-sources.js';

/** What a connection is opened to. */
export interface SmtpTarget {
  /** What its requests are routed by: errors name it, and limits are its own. */
  key: string;
  host: string;
  port: number;
  tls: 'starttls' | 'implicit' | 'none';
  /** Path of a PEM file. */
  ca?: string;
  /** The name that the certificate must have, and that is asked for (SNI). @default `host` */
  servername?: string;
  user?: string;
  /** A reference. */
  password?: string;
  /** The account whose access token logs in, where there is no password. */
  account?: string;
  auth?: 'plain' | 'login' | 'xoauth2' | 'oauthbearer';
  clientName?: string;
  /** The one that is settled on. */
  sourceAddress?: string;
  /** Over look-up, connect, greeting, TLS and log-in together; the pool's own deadline may be sooner. */
  connectTimeoutMs: number;
  /** What a reply may take. @default 300_000 after the end of a message, else 60_000 */
  replyTimeoutMs?: number;
  messagesPerConnection: number;
  maxAgeMs: number;
  /** Connections of the key, over all its lanes. */
  connections: number;
  /** Of the key. `units` are recipients. */
  quotas: readonly Quota[];
}

/** What crosses the wall: an envelope, and one of `raw`, `file` and `mail`. */
export interface SmtpOrder {
  /** '' for the null sender. */
  from: string;
  /** At least one. */
  to: readonly string[];
  /** The message as it is; line ends become CRLF. */
  raw?: string | Uint8Array;
  /** Path of the message. */
  file?: string;
  /** Fields that it is composed of, in the shard. */
  mail?: SmtpMail;
  /** Of the message; every try has the same. Undefined where a raw one has none. */
  messageId?: string;
}

/** What a message is composed of. Names and addresses are apart, and on one line each. */
export interface SmtpMail {
  from: Mailbox;
  to?: readonly Mailbox[];
  cc?: readonly Mailbox[];
  replyTo?: readonly Mailbox[];
  subject?: string;
  text?: string;
  html?: string;
  headers?: Readonly<Record<string, string>>;
  attachments?: readonly { filename: string; content: string | Uint8Array; contentType?: string; cid?: string }[];
  /** As RFC 5322 has it; `headers` may have another, which goes before. */
  date: string;
}

/** The `smtp` spec, with an engine's defaults. They are not checked here: `smtpOptions` is their schema. */
export function makeSmtpSpec(
  options: SmtpOptions = {},
  deps?: SourceDeps,
): Spec<SmtpRequest | SmtpOfAccount, SmtpOrder, SmtpResponse> {
  const lanes = new SmtpLanes(options, deps);
  const read = (input: unknown) => plainMail(input) ?? (check(smtpRequest, input, 'smtp', 'ERR_INPUT') as SmtpRequest);
  return {
    name: 'smtp',

    parse(input, mark) {
      const isNamed = input instanceof SmtpOfAccount;
      const request = read(isNamed ? input.request : input);
      const { key, lane, target, mostRecipients } = lanes.of(request, isNamed ? input.by : undefined);
      const order = orderOf(request, mark);
      if (order.file !== undefined && !options.files)
        throw new KeylaneError(
          'ERR_INPUT',
          'smtp.raw.file: no file is read unless the option `smtp` says `files: true`',
        );
      if (order.to.length > mostRecipients)
        throw new KeylaneError('ERR_INPUT', recipientsSaid(order.to.length, mostRecipients), { key });
      return { key, lane, target, request: order };
    },

    ok: ({ code, step }) => code >= 200 && code < 300 && step === undefined,

    again: ({ code, enhanced }) => (code >= 400 && code < 500 ? waitOf(code, enhanced) : undefined),
  };
}

function recipientsSaid(count: number, most: number): string {
  const [given, allowed] = [count, most].map((number) => grouped(number));
  return `smtp.to: ${given} recipients are more than the ${allowed} that the account may have in one message: send several`;
}

const SOON_MS = 5_000;
const LATER_MS = 30_000;

/**
 * "Not now" of the connection (RFC 3463: 4.3 the system, 4.4 the network) passes sooner than what a server holds against
 * us or the mailbox: greylisting, rates, a full disk.
 */
function waitOf(code: number, enhanced = ''): number {
  return code === 421 || code === 432 || /^4\.[34]\./.test(enhanced) ? SOON_MS : LATER_MS;
}
