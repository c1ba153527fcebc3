import { crc32 } from 'node:zlib';

// A value as it is stored:
//
//     version   checksum                        payload
//     uint16 LE uint32 LE of key, version,      …
//               and payload
//
// The key is in the checksum: what damage brings under another key is not taken for that key's value.
const VERSION_AT = 0;
const CHECKSUM_AT = 2;
const HEAD_BYTES = 6;

export interface Unsealed {
  readonly version: number;
  readonly payload: Buffer;
}

export function seal(key: Uint8Array, payload: Uint8Array, version: number): Buffer {
  const value = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  value.writeUInt16LE(version, VERSION_AT);
  value.set(payload, HEAD_BYTES);
  value.writeUInt32LE(checksum(key, value), CHECKSUM_AT);
  return value;
}

/** Undefined where it is not what was sealed under this key. The payload is a view. */
export function unseal(key: Uint8Array, value: Buffer): Unsealed | undefined {
  if (value.length < HEAD_BYTES || value.readUInt32LE(CHECKSUM_AT) !== checksum(key, value)) return undefined;
  return { version: value.readUInt16LE(VERSION_AT), payload: value.subarray(HEAD_BYTES) };
}

function checksum(key: Uint8Array, value: Buffer): number {
  return crc32(value.subarray(HEAD_BYTES), crc32(value.subarray(VERSION_AT, CHECKSUM_AT), crc32(key)));
}
