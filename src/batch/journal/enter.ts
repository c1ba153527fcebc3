import { randomUUID } from 'node:crypto';
import type { BatchState, InputIdentity, JournalAsked } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import type { Store } from '../../store/store.js';
import {
  type JournalMeta,
  type JournalState,
  jsonRecord,
  META,
  noCounts,
  readMeta,
  readState,
  STATE,
} from './records.js';

/**
 * Writes what the batch is, or checks that it is the one that was asked for. Within a transaction. Throws `ERR_EXISTS` or
 * `ERR_INPUT` where it must not be gone on with.
 */
export function enter(store: Pick<Store, 'get' | 'put'>, request: JournalAsked): JournalMeta {
  const old = readMeta(store);
  const state = readState(store);
  const meta = old ? goneOnWith(old, state, request) : begun(request);
  void store.put(META, jsonRecord(meta));
  void store.put(STATE, jsonRecord(stateOf(state, request)));
  return meta;
}

function begun({ id, resume, input, driver, settings }: JournalAsked): JournalMeta {
  if (resume) throw new KeylaneError('ERR_INPUT', `there is no batch ${id}`);
  return {
    id,
    mark: randomUUID(),
    createdAt: Date.now(),
    ...(input && { input }),
    ...(driver !== undefined && { driver }),
    ...(settings !== undefined && { settings }),
  };
}

function stateOf(before: JournalState | undefined, { total }: JournalAsked): JournalState {
  const fresh: JournalState = { state: 'running', begun: 0, counts: noCounts(), updatedAt: Date.now(), ranMs: 0 };
  const { why: _, ...old } = before ?? fresh;
  return { ...old, state: 'running', ...(total !== undefined && { total }) };
}

/** Throws where it must not be gone on with. */
function goneOnWith(meta: JournalMeta, state: JournalState | undefined, request: JournalAsked): JournalMeta {
  const { id, resume, input, driver } = request;
  if (!resume) {
    const text = `there is a batch ${id} already: go on with it (\`resume: true\`, \`keylane batch resume ${id}\`), or choose another id`;
    throw new KeylaneError('ERR_EXISTS', text);
  }
  refuseEnded(id, state?.state);
  const changed = changeOf(meta, input, driver);
  if (changed) {
    const text = `the input of batch ${id} is not the one that it began with: ${changed}; give it that one, or begin another batch`;
    throw new KeylaneError('ERR_INPUT', text);
  }
  // The same input may lie elsewhere now.
  return { ...meta, ...(input && { input }) };
}

function refuseEnded(id: string, state: BatchState | undefined): void {
  if (state !== 'stopped' && state !== 'canceled') return;
  const text = `the batch ${id} was ${state}: run what it left over by \`keylane batch retry ${id} --not-started\``;
  throw new KeylaneError('ERR_INPUT', text);
}

function changeOf(meta: JournalMeta, now: InputIdentity | undefined, driver: string | undefined): string | undefined {
  const before = meta.input;
  if (meta.driver !== driver && meta.driver !== undefined && driver !== undefined)
    return `the driver was ${meta.driver}, and is ${driver}`;
  if (!before || !now) return before === now ? undefined : `it was ${before ? before.path : 'not a file'}`;
  if (before.sha256 !== now.sha256 || before.bytes !== now.bytes) return `${now.path} was changed`;
  if (before.format !== now.format) return `it was read as ${before.format}, and is as ${now.format}`;
  if (before.driver !== now.driver) return `the driver was ${before.driver}, and is ${now.driver}`;
  if (before.template !== now.template) return 'the template is another one';
  if (String(before.skipped ?? []) !== String(now.skipped ?? [])) return 'other lines are put aside';
  return undefined;
}
