/**
 * How a peer said no, in a few words, by what its driver answered: `exit 3`, `killed by SIGTERM`, `550 5.1.1 no such user`,
 * `status 503`.
 */
export function refusalOf(response: unknown): string {
  if (typeof response !== 'object' || response === null) return SAID_NO;
  const { code, signal, status, enhanced, message } = response as Record<string, unknown>;
  if (typeof signal === 'string') return `killed by ${signal}`;
  if (typeof status === 'number') return `status ${status}`;
  if (typeof code !== 'number') return SAID_NO;
  if (typeof message !== 'string') return `exit ${code}`;
  return `${code}${typeof enhanced === 'string' ? ` ${enhanced}` : ''} ${message.slice(0, LONGEST)}`;
}

const SAID_NO = 'the peer said no';
const LONGEST = 300;
