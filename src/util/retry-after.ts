/**
 * Milliseconds that a `Retry-After` header asks to wait: seconds, or a date, which is by the server's clock and so is told by
 * its own `Date` where there is one. Undefined for what is neither. (RFC 9110 § 10.2.3)
 */
export function retryAfterMs(value: string | undefined, date?: string): number | undefined {
  const text = value?.trim();
  if (text === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text) * 1_000;
  // What else Date.parse takes for a date is a number, or nothing that a server would say.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const now = date === undefined ? Number.NaN : Date.parse(date);
  const ms = Date.parse(text) - (Number.isNaN(now) ? Date.now() : now);
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
