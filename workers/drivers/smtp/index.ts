import { KeylaneError } from '../../../src/errors.js';
import type { SmtpResponse } from '../../../src/smtp-types.js';
import type { SmtpOrder, SmtpTarget } from '../../../src/specs/smtp.js';
import type { Driver } from '../../../src/types.js';

export function load(): Promise<Driver<SmtpTarget, object, SmtpOrder, SmtpResponse>> {
  return Promise.resolve({
    streams: 1,
    open: () => Promise.reject(new KeylaneError('ERR_CONNECT', 'not built yet')),
    execute: () => Promise.reject(new KeylaneError('ERR_CONNECTION_LOST', 'not built yet')),
    reusable: () => true,
    close() {},
  });
}
