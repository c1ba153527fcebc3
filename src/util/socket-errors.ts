import { printable } from './printable.js';

/** What the kernel says of a connection, by the code of its error, for people. */
export const SOCKET_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused: nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  EADDRNOTAVAIL: 'there is no local port left',
  EMFILE: 'this process has no file descriptor left (raise ulimit -n)',
};

/** What a socket's error means. */
export function socketSays({ code, message }: Error & { code?: string | number | undefined }): string {
  return SOCKET_ERRORS[String(code)] ?? printable(message);
}
