import type { AccountOAuth } from '../accounts/account.js';
import { KeylaneError } from '../errors.js';
import type { Clock } from '../util/clock.js';
import { parsedUrl } from '../util/parsed-url.js';
import { pause } from './aborts.js';
import type { DeviceCode, Granted, OAuthServers } from './oauth.js';

/** What a person is to do, on whatever device has a browser. */
export interface DevicePrompt {
  userCode: string;
  /** The page where the code is typed in. */
  verificationUri: string;
  /** The same with the code in it, where the server has one: for a QR code. */
  verificationUriComplete: string | undefined;
  expiresInMs: number;
}

/** RFC 8628 § 3.5: what `slow_down` adds, from then on. */
const SLOWER_MS = 5_000;
const LEAST_INTERVAL_MS = 1_000;
const MOST_INTERVAL_MS = 60_000;
const LONGEST_MS = 1_800_000;
/** For a person to read and type. */
const MOST_CODE_CHARS = 64;

/**
 * The device flow (RFC 8628): shows a code to a person, then asks the server at its pace whether they have said yes.
 * Rejects with `ERR_AUTH_EXPIRED` where they say no or let it pass, with the signal's reason where it is aborted.
 */
export async function deviceGrant(
  oauth: AccountOAuth,
  clientSecret: string | undefined,
  onPrompt: (prompt: DevicePrompt) => unknown,
  { clock, servers, signal }: { clock: Clock; servers: Pick<OAuthServers, 'deviceCode' | 'ask'>; signal: AbortSignal },
): Promise<Granted> {
  const code = await servers.deviceCode(oauth, clientSecret);
  const prompt = promptOf(code);
  const until = clock.now() + prompt.expiresInMs;
  await onPrompt(prompt);
  let intervalMs = between(LEAST_INTERVAL_MS, code.intervalMs, MOST_INTERVAL_MS);
  let waitMs = intervalMs;
  for (;;) {
    await pause(clock, waitMs, signal);
    if (clock.now() >= until) throw new KeylaneError('ERR_AUTH_EXPIRED', 'nobody has confirmed the code in time');
    try {
      const granted = await servers.ask(oauth, { type: 'device_code', deviceCode: code.deviceCode }, clientSecret);
      if (granted.kind !== 'pending') return granted;
      if (granted.slower) intervalMs += SLOWER_MS;
      waitMs = intervalMs;
    } catch (error) {
      if (!(error instanceof KeylaneError) || !error.retryable) throw error;
      // A server that cannot be reached is asked less often (RFC 8628 § 3.5); what it says itself goes before.
      intervalMs = Math.min(intervalMs * 2, MOST_INTERVAL_MS);
      waitMs = Math.max(intervalMs, error.retryAfterMs ?? 0);
    }
  }
}

/** A person and their terminal see this: no page but a web page, and nothing that is not to be seen. */
function promptOf({ userCode, verificationUri, verificationUriComplete, expiresInMs }: DeviceCode): DevicePrompt {
  const isPlain = /^[\x20-\x7e]+$/.test(userCode) && userCode.length <= MOST_CODE_CHARS;
  if (!isPlain || !isPage(verificationUri)) {
    throw new KeylaneError('ERR_TOKEN', 'the token server asks to show a person what is no code or no web page', {
      retryable: false,
    });
  }
  const complete = verificationUriComplete && isPage(verificationUriComplete) ? verificationUriComplete : undefined;
  return {
    userCode,
    verificationUri,
    verificationUriComplete: complete,
    expiresInMs: between(LEAST_INTERVAL_MS, expiresInMs, LONGEST_MS),
  };
}

function isPage(uri: string): boolean {
  return /^[\x21-\x7e]{1,2048}$/.test(uri) && /^https?:$/.test(parsedUrl(uri)?.protocol ?? '');
}

function between(least: number, value: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
