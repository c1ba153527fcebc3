import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { KeylaneError } from '../../../src/errors.js';
import type { HttpTarget } from '../../../src/specs/http.js';
import type { OpenContext } from '../../../src/types.js';
import { deferred } from '../../../src/util/deferred.js';
import type { Opening } from '../../../src/util/opening.js';
import { notSecured, type Phase, type Thrown } from './open-errors.js';

/** What we show and what we trust. Files are read anew for each connection: they are exchanged while programs run. */
export async function trustOf(target: HttpTarget, ask: OpenContext['ask']): Promise<SecureContext | undefined> {
  const { ca, cert, key, passphrase } = target;
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  const secret = (reference: string | undefined) => (reference === undefined ? undefined : ask('secret', reference));
  const [trusted, shown, ours, opens] = await Promise.all([
    read('ca', ca),
    read('cert', cert),
    secret(key),
    secret(passphrase),
  ]);
  try {
    return createSecureContext({
      ...(trusted !== undefined && { ca: trusted }),
      ...(shown !== undefined && { cert: shown }),
      ...(ours !== undefined && { key: ours }),
      ...(opens !== undefined && { passphrase: opens }),
    });
  } catch (error) {
    throw unfit(error as Thrown, passphrase);
  }
}

/** For all servers of which nothing is said: `tls.connect` would make one for each, of 30 KB and 0.15 ms of CPU. */
let ofNode: SecureContext | undefined;

/** TLS over a socket. `host` is whom the certificate must be for. */
export async function secure(
  socket: Socket,
  { host, http2, trust }: { host: string; http2: boolean; trust: SecureContext | undefined },
  opening: Opening<Phase>,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = deferred<void>();
  ofNode ??= createSecureContext();
  const secured = connect({
    socket,
    host,
    // A name only: an address is not one that a server could choose a certificate by. (RFC 6066 § 3)
    servername: isIP(host) ? '' : host,
    ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    secureContext: trust ?? ofNode,
  });
  const closed = () => reject(notSecured(opening.key, host, undefined));
  const failed = (error: Thrown) => reject(notSecured(opening.key, host, error));
  // It stays, and holds nothing: an error may come before anybody else listens.
  secured.on('error', nothing).once('error', failed);
  secured.once('secureConnect', resolve).once('close', closed);
  try {
    opening.phase = 'TLS handshake';
    await opening.step(promise);
    return secured;
  } catch (error) {
    secured.destroy();
    throw error;
  } finally {
    secured.off('close', closed).off('error', failed).off('secureConnect', resolve);
  }
}

async function read(field: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new KeylaneError('ERR_INPUT', `http.${field}: cannot read ${path}: ${(cause as Thrown).code}`, { cause });
  }
}

function unfit({ code = '', message }: Thrown, passphrase: string | undefined): KeylaneError {
  if (code.includes('BAD_DECRYPT') || code.includes('INTERRUPTED_OR_CANCELLED') || /passphrase/i.test(message)) {
    const what =
      passphrase === undefined ? 'the key is encrypted: `passphrase` is missing' : 'it does not open the key';
    return new KeylaneError('ERR_PASSPHRASE', `http.passphrase: ${what}`);
  }
  if (code.includes('KEY_VALUES_MISMATCH'))
    return new KeylaneError('ERR_INPUT', 'http.key: it is not the key of the certificate in `cert`');
  return new KeylaneError('ERR_INPUT', `http.ca, http.cert, http.key: not certificates and a key in PEM (${code})`);
}

function nothing(): void {}
