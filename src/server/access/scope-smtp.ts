import type { HostPatterns } from './host-pattern.js';

type Request = Readonly<Record<string, unknown>>;
/** Makes the error that names the field. */
type Refuse = (field: string, why: string) => Error;

/** Fields that name a file, a secret or an address of the service's machine. */
const OF_THE_MACHINE: readonly string[] = ['ca', 'password', 'sourceAddress'];

/**
 * All that a request may hold where the token is for some hosts only: the server, and a message. Whatever is not here may
 * lead to another server (an account's), make another one look like it (`servername`), or loosen what its provider allows
 * (`preset`).
 */
const ON_THE_HOST: ReadonlySet<string> = new Set([
  ...['host', 'port', 'tls', 'user', 'auth'],
  ...['envelope', 'raw', 'from', 'to', 'cc', 'bcc', 'replyTo', 'subject', 'text', 'html'],
  ...['headers', 'attachments', 'messageId'],
]);
/** The ports of submission (RFC 8314): a pattern without a port means them. */
const USUAL_PORTS: readonly unknown[] = [undefined, 465, 587];

/** What a token that may use no file and no secret says of the machine, if it says any of it. */
export function checkSmtpOwn(request: Request, refuse: Refuse): void {
  for (const field of OF_THE_MACHINE)
    if (request[field] !== undefined)
      throw refuse(
        `request.${field}`,
        "may not use files, secrets and addresses of the service's machine (`files: true` lets it)",
      );
  const { raw, tls, preset } = request;
  if (typeof raw === 'object' && raw !== null && 'file' in raw)
    throw refuse('request.raw.file', "may not use files of the service's machine (`files: true` lets it)");
  // It goes before the limits that the service has set, and whoever logs in there is the service's own.
  if (preset !== undefined) throw refuse('request.preset', 'may not say what limits hold (`files: true` lets it)');
  if (tls === 'none') throw refuse('request.tls', 'may not send in the clear (`files: true` lets it)');
}

/** That the request goes to one of the token's hosts. */
export function checkSmtpHost(request: Request, own: HostPatterns, refuse: Refuse): void {
  for (const field in request)
    if (!ON_THE_HOST.has(field)) throw refuse(`request.${field}`, 'is for some hosts only, and may not say this');
  const { host, port } = request;
  if (typeof host !== 'string' || !(port === undefined || typeof port === 'number'))
    throw refuse('request.host', 'is for some hosts only: expected a host that it may reach');
  // Who logs in is no part of it: without a secret, which needs `files`, nobody does.
  const asked = { host, port: USUAL_PORTS.includes(port) ? undefined : port, user: undefined };
  if (!own.hasHost(asked))
    throw refuse('request.host', `is not for ${host}${port === undefined ? '' : ` port ${port}`}`);
}
