import { KeylaneError } from '../errors.js';
import { laneOf } from '../routing.js';
import type { SmtpOptions, SmtpRequest, SmtpResponse } from '../smtp-types.js';
import type { Spec } from '../types.js';
import { check } from '../util/check.js';
import { smtpRequest } from './smtp-schema.js';

/** What a connection is opened to. */
export interface SmtpTarget {
  host: string;
  port: number;
}

/** What crosses the wall. */
export interface SmtpOrder {
  from: string;
  to: readonly string[];
}

/** The `smtp` spec, with an engine's defaults. They are not checked here: `smtpOptions` is their schema. */
export function makeSmtpSpec(_options: SmtpOptions = {}): Spec<SmtpRequest, SmtpOrder, SmtpResponse> {
  return {
    name: 'smtp',
    parse(input) {
      const { host, port = 587, user, envelope } = check(smtpRequest, input, 'smtp', 'ERR_INPUT') as SmtpRequest;
      if (!envelope) throw new KeylaneError('ERR_INPUT', 'smtp.envelope: expected an envelope');
      const key = `${user === undefined ? '' : `${user}@`}${host}:${port}`;
      const target = { host, port };
      return { key, lane: laneOf(key, target), target, request: { from: envelope.from, to: [envelope.to].flat() } };
    },
    ok: ({ code, step }) => code >= 200 && code < 300 && step === undefined,
  };
}
