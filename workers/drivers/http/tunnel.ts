import type { Socket } from 'node:net';
import { KeylaneError } from '../../../src/errors.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Opening } from '../../../src/util/opening.js';
import { printable } from '../../../src/util/printable.js';
import { socketSays } from '../../../src/util/socket-errors.js';
import type { Phase, Thrown } from './open-errors.js';

/** Of a proxy's answer. */
const MOST_HEAD_BYTES = 16 << 10;

/** Asks an HTTP proxy for a tunnel. (RFC 9110 § 9.3.6) */
export async function tunnel(
  socket: Socket,
  place: { proxy: string; to: string; authorization: string | undefined },
  opening: Opening<Phase>,
): Promise<void> {
  const { proxy, to, authorization } = place;
  const { promise, resolve, reject } = deferred<string>();
  const pieces: Buffer[] = [];
  let length = 0;
  const refuse = (why: string, cause?: Thrown) =>
    reject(new KeylaneError('ERR_CONNECT', `${opening.key}: proxy ${proxy}: ${why}`, { key: proxy, cause }));
  const readable = () => {
    for (let piece = socket.read(); piece !== null; piece = socket.read()) {
      pieces.push(piece as Buffer);
      length += (piece as Buffer).length;
      const text = Buffer.concat(pieces).toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end >= 0) {
        // Nobody has anything to say in the tunnel before we have said something.
        if (end + 4 < text.length && text.startsWith('HTTP/1.') && / 2\d\d/.test(text.slice(8, 12)))
          return refuse('it says more than that the tunnel is open');
        return resolve(text.slice(0, end));
      }
      if (length > MOST_HEAD_BYTES) return refuse(`its answer has more than ${MOST_HEAD_BYTES} bytes and no end`);
    }
  };
  const failed = (cause: Thrown) => refuse(socketSays(cause), cause);
  const ended = () => refuse('it closed the connection in place of an answer');
  socket.on('readable', readable).on('error', failed).on('end', ended).on('close', ended);
  const name = authorization === undefined ? '' : `proxy-authorization: ${authorization}\r\n`;
  socket.write(`CONNECT ${to} HTTP/1.1\r\nhost: ${to}\r\n${name}\r\n`, 'latin1');
  try {
    opening.phase = 'proxy';
    const head = await opening.step(promise);
    const status = /^HTTP\/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?/.exec(head);
    if (!status) throw unable(proxy, opening.key, 'it does not speak HTTP');
    const [, code, reason = ''] = status;
    if (code === '407') throw refused(proxy, opening.key);
    if (!code?.startsWith('2')) throw unable(proxy, opening.key, `it said ${code} ${printable(reason)}`);
  } finally {
    socket.off('readable', readable).off('error', failed).off('end', ended).off('close', ended);
  }
}

/** 407, in answer to a tunnel or to a request that was to be passed on. */
export function refused(proxy: string, key: string): KeylaneError {
  const message = `${key}: proxy ${proxy} refused who we are (407): see the user in \`proxy\`, and \`proxyPassword\``;
  return new KeylaneError('ERR_AUTH', message, { key: proxy, outcome: 'not_started' });
}

function unable(proxy: string, key: string, why: string): KeylaneError {
  return new KeylaneError('ERR_CONNECT', `${key}: proxy ${proxy}: no tunnel: ${why}`, { key: proxy });
}
