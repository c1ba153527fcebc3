import { isIP } from 'node:net';
import { z } from 'zod';
import { mailboxesIn } from './smtp-mailboxes.js';
import {
  addressProblem,
  cidProblem,
  clientNameProblem,
  contentTypeProblem,
  filenameProblem,
  headerNameProblem,
  headerProblem,
  lineProblem,
  messageIdProblem,
} from './smtp-texts.js';
import { base64Length, named, sshFields } from './ssh-schema.js';

/** 50 MiB: more than any provider takes, as a message or as what it is composed of. */
const MOST_BYTES = 50 << 20;
const MOST_RECIPIENTS = 10_000;
const MOST_HEADERS = 256;
const MOST_ATTACHMENTS = 1_000;

const user = named((value) =>
  value === '' ? 'expected who logs in; leave the field out where nobody does' : lineProblem(value),
);
const localAddress = named((value) =>
  isIP(value) === 0 ? 'expected an address of this machine, like 192.0.2.10' : undefined,
);

const access = {
  host: sshFields.host.optional(),
  port: sshFields.port.optional(),
  tls: z.enum(['starttls', 'implicit', 'none']).optional(),
  ca: sshFields.path.optional(),
  servername: sshFields.host.optional(),
  user: user.optional(),
  password: sshFields.reference.optional(),
  auth: z.enum(['plain', 'login', 'xoauth2', 'oauthbearer']).optional(),
  clientName: named(clientNameProblem).optional(),
  sourceAddress: localAddress.optional(),
  preset: z.enum(['generic', 'gmail', 'exchange-online']).optional(),
};
const count = z.int('expected a whole number from 1 to 10,000,000').min(1).max(10_000_000).optional();

/** What an account has too. */
export const smtpFields = { ...access, user, count };

const mailboxes = named((value) => problemIn(value));
const addresses = z.union(
  [mailboxes, z.array(mailboxes).max(MOST_RECIPIENTS)],
  'expected an address or a list of at most 10,000 of them',
);
const envelopeAddress = named(addressProblem);
const line = named(lineProblem);
const text = z.string().max(MOST_BYTES, 'expected at most 50 MiB');
const BASE64 = {
  type: 'object',
  properties: { base64: { type: 'string', contentEncoding: 'base64' } },
  required: ['base64'],
  additionalProperties: false,
} as const;
const FILE = {
  type: 'object',
  properties: { file: { type: 'string' } },
  required: ['file'],
  additionalProperties: false,
} as const;
const bytes = z
  .custom<string | Uint8Array | { base64: string }>()
  .superRefine((value, context) => {
    const message = bytesProblem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: undefined });
  })
  .meta({ description: 'Text, or bytes as base64.', anyOf: [{ type: 'string' }, BASE64] });
const raw = z
  .custom<string | Uint8Array | { base64: string } | { file: string }>()
  .superRefine((value, context) => {
    const message = isFile(value) ? fileProblem(value) : bytesProblem(value, ', or where it stands as `{"file":"…"}`');
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: undefined });
  })
  .meta({ description: 'Text, bytes as base64, or a file of the machine.', anyOf: [{ type: 'string' }, BASE64, FILE] });
const FETCHED = 'what is attached is given as `content`, never fetched: no path, no URL and no message of its own';
const attachment = z
  .looseObject({
    filename: named(filenameProblem),
    content: bytes,
    contentType: named(contentTypeProblem).optional(),
    cid: named(cidProblem).optional(),
  })
  .superRefine((value, context) => {
    for (const field of Object.keys(value))
      if (!['filename', 'content', 'contentType', 'cid'].includes(field))
        context.addIssue({ code: 'custom', path: [field], message: FETCHED, input: undefined });
  });
const headers = z.record(named(headerNameProblem), z.string()).superRefine((value, context) => {
  const wrong = (message: string, name?: string) =>
    context.addIssue({ code: 'custom', path: name === undefined ? [] : [name], message, input: undefined });
  for (const [name, said] of Object.entries(value)) {
    const problem = headerProblem(name, said);
    if (problem !== undefined) wrong(problem, name);
  }
  if (Object.keys(value).length > MOST_HEADERS) wrong(`expected at most ${MOST_HEADERS} fields`);
});

/** Fields that a message is composed of: `raw` has them in it. */
const COMPOSED = [
  'from',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'subject',
  'text',
  'html',
  'headers',
  'attachments',
  'messageId',
] as const;

/** A request of the driver `smtp`. */
export const smtpRequest = z
  .strictObject({
    ...access,
    envelope: z
      .strictObject({
        from: z.union([z.literal(''), envelopeAddress], "expected an address, or '' for the null sender"),
        to: z.union(
          [envelopeAddress, z.array(envelopeAddress).min(1).max(MOST_RECIPIENTS)],
          'expected an address or a list of at most 10,000 of them',
        ),
      })
      .optional(),
    raw: raw.optional(),
    from: mailboxes.optional(),
    to: addresses.optional(),
    cc: addresses.optional(),
    bcc: addresses.optional(),
    replyTo: addresses.optional(),
    subject: line.optional(),
    text: text.optional(),
    html: text.optional(),
    headers: headers.optional(),
    attachments: z.array(attachment).max(MOST_ATTACHMENTS).optional(),
    messageId: named(messageIdProblem).optional(),
  })
  .superRefine((request, context) => {
    const wrong = (field: keyof typeof request, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: undefined });
    if (request.raw !== undefined) {
      for (const field of COMPOSED)
        if (request[field] !== undefined) wrong(field, 'does not go with `raw`, which is the message as it is');
      if (!request.envelope) wrong('envelope', 'expected `from` and `to`: of a raw message nothing is read but its id');
      return;
    }
    const { from, to, cc, bcc, attachments = [] } = request;
    if (from === undefined) wrong('from', 'expected who it is from, or `raw` and `envelope`');
    else if ((mailboxesIn(from).length ?? 0) !== 1) wrong('from', 'expected one address');
    if (!request.envelope && [to, cc, bcc].every((field) => field === undefined || field.length === 0))
      wrong('to', 'expected a recipient, in `to`, `cc`, `bcc` or `envelope`');
    let size = (request.text?.length ?? 0) + (request.html?.length ?? 0);
    for (const { content } of attachments) size += lengthOf(content) ?? 0;
    if (size > MOST_BYTES) wrong('attachments', 'expected at most 50 MiB in all');
  });

/** The option `smtp` of an engine. */
export const smtpOptions = z
  .strictObject({
    ...access,
    files: z.boolean().optional(),
    sourceAddresses: z
      .union([z.literal('auto'), z.array(localAddress).min(1).max(4_096)], "expected 'auto' or a list of addresses")
      .optional(),
    messagesPerConnection: count,
    maxAgeMs: z.number().min(1_000).max(86_400_000).optional(),
    connections: count,
    messagesPerMinute: count,
    recipientsPerDay: count,
    replyTimeoutMs: z.number().min(1).max(600_000).optional(),
  })
  .superRefine((options, context) => {
    const wrong = (field: keyof typeof options, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message, input: options[field] });
    if ((options.user !== undefined || options.password !== undefined) && options.host === undefined)
      wrong('host', 'expected the server that `user` and `password` are for');
  });

function problemIn(value: string): string | undefined {
  const found = mailboxesIn(value);
  return typeof found === 'string' ? found : undefined;
}

function bytesProblem(value: unknown, more = ''): string | undefined {
  const length = lengthOf(value);
  if (length === undefined) return `expected a text, bytes (Uint8Array), or bytes as \`{"base64":"…"}\`${more}`;
  return length > MOST_BYTES ? 'expected at most 50 MiB' : undefined;
}

function lengthOf(value: unknown): number | undefined {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : base64Length(value);
}

function isFile(value: unknown): value is { file: unknown } {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'file');
}

function fileProblem(value: { file: unknown }): string | undefined {
  const isSound = Object.keys(value).length === 1 && sshFields.path.safeParse(value.file).success;
  return isSound ? undefined : 'expected the path of a file, as `{"file":"…"}`';
}
