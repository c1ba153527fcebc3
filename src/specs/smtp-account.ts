import type { SmtpAccess, SmtpRequest } from '../smtp-types.js';

/** What an account says of a request, and a request with an account therefore may not say again. */
export const SMTP_SAID: Readonly<Record<keyof SmtpAccess, undefined>> = {
  host: undefined,
  port: undefined,
  tls: undefined,
  ca: undefined,
  servername: undefined,
  user: undefined,
  password: undefined,
  auth: undefined,
  clientName: undefined,
  sourceAddress: undefined,
  preset: undefined,
};

/** What an account says of its requests that no request can say for itself. */
export interface SmtpAccount {
  /** The key. */
  name: string;
  /** It logs in by a token, which is asked for by the account's name. */
  oauth: boolean;
  connections?: number;
  messagesPerMinute?: number;
  recipientsPerDay?: number;
}

/** A request with what its account says in it. A class: nothing that a caller gives as data is one. */
export class SmtpOfAccount {
  readonly request: SmtpRequest;
  readonly by: SmtpAccount;

  constructor(request: SmtpRequest, by: SmtpAccount) {
    this.request = request;
    this.by = by;
  }
}
