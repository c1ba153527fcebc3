/** Who is talked to, and as whom. */
export interface SmtpAccess {
  /** Host name or address of the submission server. @default that of the option `smtp` */
  host?: string;
  /** @default 587, or 465 with `tls: 'implicit'` */
  port?: number;
  /**
   * `starttls`: the connection is upgraded, or given up · `implicit`: TLS from the first byte · `none`: in the clear.
   * @default 'implicit' on port 465, else 'starttls'
   */
  tls?: 'starttls' | 'implicit' | 'none';
  /** Path of a PEM file with the certificates that are trusted, in place of those of Node. */
  ca?: string;
  /** The name that the certificate must have. @default `host` */
  servername?: string;
  /** Who logs in, by a password or an account's token; without either nobody does, and it is but a part of the key. */
  user?: string;
  /** A reference, `env:NAME` or `file:PATH`. */
  password?: string;
  /** How. @default with a password what the server offers of `plain` and `login`, with a token of `oauthbearer` and `xoauth2` */
  auth?: 'plain' | 'login' | 'xoauth2' | 'oauthbearer';
  /** What we call ourselves (EHLO). @default the address of our end of the connection, as a literal */
  clientName?: string;
  /** The local address to send from. @default one of the option `sourceAddresses`, the same for the same key; else any */
  sourceAddress?: string;
  /** What is known of a provider: connections, messages a minute and recipients a day. @default 'generic': no such limits */
  preset?: 'generic' | 'gmail' | 'exchange-online';
}

/**
 * One message: `raw` with its `envelope`, or fields that it is composed of. (RFC 5321, RFC 5322)
 * The key is the account, else `user@host:port`.
 */
export interface SmtpRequest extends SmtpAccess {
  /** Who the server is told of. @default from `from`, `to`, `cc` and `bcc` */
  envelope?: { from: string; to: string | readonly string[] };
  /** The message as it is, or where it stands (only with the option `files: true`). Line ends become CRLF. */
  raw?: string | Uint8Array | { base64: string } | { file: string };
  /** `ana@example.com` or `Ana <ana@example.com>`; one. */
  from?: string;
  /** Several in one text have a comma or a semicolon between. */
  to?: string | readonly string[];
  cc?: string | readonly string[];
  /** Told to the server, and in no header. */
  bcc?: string | readonly string[];
  replyTo?: string | readonly string[];
  subject?: string;
  text?: string;
  html?: string;
  /** Further header fields: not those that other fields say. */
  headers?: Readonly<Record<string, string>>;
  attachments?: readonly SmtpAttachment[];
  /** @default made up; a message that is tried again keeps it */
  messageId?: string;
}

/** What is attached is given, never fetched: no path and no URL. (GHSA-p6gq-j5cr-w38f) */
export interface SmtpAttachment {
  /** What it is called; no path. */
  filename: string;
  content: string | Uint8Array | { base64: string };
  /** @default by the name */
  contentType?: string;
  /** For `cid:` in the HTML. */
  cid?: string;
}

/** What the server said to the message as a whole, and to each recipient. `ok` where it took the message (2xx after its end). */
export interface SmtpResponse {
  /** The reply code that decided: of the message, else of the step that was refused. */
  code: number;
  /** RFC 3463: `2.0.0`; undefined where the server gives none. */
  enhanced?: string;
  /** The server's words, on one line. */
  message: string;
  /** What was refused, if anything was. */
  step?: 'MAIL' | 'RCPT' | 'DATA';
  /** Recipients that the server took. */
  accepted: string[];
  /** Those it refused, each with its reply: the message went to the others all the same. */
  rejected: { address: string; code: number; enhanced?: string; message: string }[];
  messageId?: string;
}

/**
 * Defaults of SMTP requests. `user` and `password` are those of `host`: a request that names another server, another user or
 * another way to secure the connection has neither from here.
 */
export interface SmtpOptions extends Partial<SmtpAccess> {
  /** True: `raw: { file }` may be read. @default false */
  files?: boolean;
  /** Local addresses to send from; each account has one of them. `auto`: those of the machine, looked up once a minute. */
  sourceAddresses?: 'auto' | readonly string[];
  /** Messages after which a connection is closed. @default 100 */
  messagesPerConnection?: number;
  /** Milliseconds after which a connection is closed. @default 300_000 */
  maxAgeMs?: number;
  /** Connections of one account. @default the preset's, else 5 */
  connections?: number;
  /** Messages of one account a minute. @default the preset's, else no bound */
  messagesPerMinute?: number;
  /** Recipients of one account in 24 hours. @default the preset's, else no bound */
  recipientsPerDay?: number;
  /** Milliseconds that a reply may take. @default 300_000 after the end of a message, else 60_000 */
  replyTimeoutMs?: number;
}
