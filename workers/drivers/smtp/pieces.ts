import type { FileHandle } from 'node:fs/promises';

/** A message is brought into shape, and handed to the socket, in pieces of this size. */
export const PIECE_BYTES = 64 * 1024;

export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

export async function* readingOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    // A buffer for each: what the socket has not sent yet may still be in the last one.
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
