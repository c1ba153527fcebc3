import { isIPv4 } from 'node:net';

/** Does what is sent to this host of a URL stay on this machine? (RFC 1122 3.2.1.3, RFC 4291 2.5.3, RFC 6761 6.3) */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));
}
