import type { SmtpAccess } from '../smtp-types.js';

/** What a provider allows one account. */
export interface Preset {
  connections?: number;
  messagesPerMinute?: number;
  messagesPerDay?: number;
  recipientsPerDay?: number;
  recipientsPerMessage?: number;
}

/**
 * As the providers publish it. gmail: "Gmail sending limits in Google Workspace" (support.google.com/a/answer/166852; a
 * personal account has a quarter of the messages). exchange-online: "Exchange Online limits" (learn.microsoft.com; beyond
 * them it answers 432 4.3.2 and 554 5.2.0).
 */
export const PRESETS: Readonly<Record<NonNullable<SmtpAccess['preset']>, Preset>> = {
  generic: {},
  gmail: { messagesPerDay: 2_000, recipientsPerDay: 10_000, recipientsPerMessage: 100 },
  'exchange-online': {
    connections: 3,
    messagesPerMinute: 30,
    recipientsPerDay: 10_000,
    recipientsPerMessage: 1_000,
  },
};
