// A driver that sends or takes very many bytes. See FloodRequest in own.ts.
import { createHash } from 'node:crypto';

export const spec = {
  name: 'flood',
  parse: ({ key, bytes = 0, sink = false }) => ({ key, lane: key, target: null, request: { bytes, sink } }),
  ok: () => true,
};

const PIECE_BYTES = 64 * 1024;

export async function load() {
  return {
    streams: 10,
    open: async () => ({}),
    async execute(_connection, { bytes, sink }, context) {
      context.sent();
      const hash = createHash('sha256');
      let count = 0;
      if (sink) {
        for await (const piece of context.input) {
          hash.update(piece);
          count += piece.length;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      for (let sent = 0; sent < bytes && !context.signal.aborted; ) {
        const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - sent), sent / PIECE_BYTES);
        hash.update(piece);
        sent += piece.length;
        count += piece.length;
        await context.chunk('stdout', piece);
      }
      context.signal.throwIfAborted();
      return { bytes: count, sha256: hash.digest('hex') };
    },
    reusable: () => true,
    close() {},
  };
}
