// A peer that has things that change. See ShelfRequest in own.ts.
import { KeylaneError, NOT_MODIFIED } from 'keylane';

export const spec = {
  name: 'shelf',
  parse(input) {
    const { key, ...request } = input;
    return { key, lane: key, target: key, request };
  },
  ok: ({ refused }) => !refused,
};

/** By key. */
const shelves = new Map();
/** Where requests wait, by name; opened for good. */
const gates = new Map();

function gate(name) {
  if (!gates.has(name)) {
    let open;
    const opened = new Promise((resolve) => {
      open = resolve;
    });
    gates.set(name, { open, opened });
  }
  return gates.get(name);
}

function shelfOf(key) {
  if (!shelves.has(key)) shelves.set(key, { items: new Map(), reads: 0, writes: 0, unchanged: 0, waiting: 0 });
  return shelves.get(key);
}

async function execute(key, { item, write, etag, wait, open, counts, fault }, context) {
  const shelf = shelfOf(key);
  if (fault === 'before') throw new KeylaneError('ERR_CONNECTION_LOST', 'as asked', { outcome: 'not_started' });
  context.sent();
  if (open !== undefined) gate(open).open();
  if (counts) return { ...shelf, items: undefined };
  if (write !== undefined) {
    shelf.writes++;
    shelf.items.set(item, write);
  } else if (item !== undefined) {
    shelf.reads++;
  }
  const value = shelf.items.get(item) ?? 0;
  if (wait !== undefined) {
    shelf.waiting++;
    await gate(wait).opened;
    shelf.waiting--;
  }
  if (fault === 'after') throw new KeylaneError('ERR_CONNECTION_LOST', 'as asked');
  if (fault === 'refused') return { refused: true };
  if (etag && context.etag === String(value)) {
    shelf.unchanged++;
    return NOT_MODIFIED;
  }
  return { value, ...(etag ? { etag: String(value) } : {}) };
}

export async function load() {
  return {
    streams: 1_000,
    open: async (key) => ({ key }),
    execute: ({ key }, request, context) => execute(key, request, context),
    reusable: () => true,
    close() {},
    etag: ({ etag }) => etag,
  };
}
