import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { SmtpOptions, SmtpRequest, SmtpResponse } from '../smtp-types.js';
import type { Quota, Spec } from '../types.js';
import { check } from '../util/check.js';
import { smtpRequest } from './smtp-schema.js';

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

/** What a message is composed of. */
export type SmtpMail = Pick<
  SmtpRequest,
  'from' | 'to' | 'cc' | 'bcc' | 'replyTo' | 'subject' | 'text' | 'html' | 'headers' | 'attachments'
>;

/** The `smtp` spec, with an engine's defaults. They are not checked here: `smtpOptions` is their schema. */
export function makeSmtpSpec(_options: SmtpOptions = {}): Spec<SmtpRequest, SmtpOrder, SmtpResponse> {
  return {
    name: 'smtp',
    parse(input) {
      const request = check(smtpRequest, input, 'smtp', 'ERR_INPUT') as SmtpRequest;
      const { host, port = 587, user, password, tls = 'starttls', envelope, raw } = request;
      if (!envelope) throw new KeylaneError('ERR_INPUT', 'smtp.envelope: expected an envelope');
      const key = `${user === undefined ? '' : `${user}@`}${host}:${port}`;
      const target: SmtpTarget = {
        key,
        host,
        port,
        tls,
        ...(request.ca !== undefined && { ca: request.ca }),
        ...(user !== undefined && { user }),
        ...(password !== undefined && { password }),
        connectTimeoutMs: 10_000,
        messagesPerConnection: 100,
        maxAgeMs: 300_000,
        connections: 5,
        quotas: [],
      };
      const order: SmtpOrder = { from: envelope.from, to: [envelope.to].flat() };
      if (typeof raw === 'string' || raw instanceof Uint8Array) order.raw = raw;
      else order.mail = request;
      return { key, lane: laneOf(key, target), target, request: order };
    },
    ok: ({ code, step }) => code >= 200 && code < 300 && step === undefined,
  };
}
