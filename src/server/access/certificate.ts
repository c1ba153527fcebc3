import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { KeylaneError } from '../../index.js';
import type { TlsOptions } from '../section.js';

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws `ERR_CONFIG` where they cannot be read, or do not belong together. */
export function readCertificate({ cert, key }: TlsOptions): Certificate {
  const certificate = { cert: readPem('cert', cert), key: readPem('key', key) };
  try {
    createSecureContext(certificate);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'it is no PEM';
    throw new KeylaneError(
      'ERR_CONFIG',
      `createService.tls: ${cert} and ${key} are no certificate and its key: ${why}`,
      {
        cause,
      },
    );
  }
  return certificate;
}

function readPem(what: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KeylaneError('ERR_CONFIG', `createService.tls.${what}: ${path} cannot be read: ${code}`, { cause });
  }
}
