import { LearnedTimeouts } from '../../src/adaptive/timeouts.ts';
import { Batch } from '../../src/batch/batch.ts';
import type { BatchHost } from '../../src/batch/host.ts';
import type { Input } from '../../src/batch/source.ts';
import type { BatchOptions } from '../../src/batch-options.ts';
import type { Journal } from '../../src/batch-types.ts';
import { Call, type CallEvents } from '../../src/call.ts';
import { KeylaneError } from '../../src/errors.ts';
import { RetryBudget } from '../../src/retry-budget.ts';
import type { Result } from '../../src/types.ts';
import { FakeClock, settled } from './fake-clock.ts';

/** An engine that settles a call when a test says so. A request is its key; one that begins with `bad` is not valid. */
export class FakeHost implements BatchHost {
  readonly clock = new FakeClock();
  readonly random = () => 1;
  readonly retries = new RetryBudget(this.clock);
  readonly most = 4_096;
  readonly timeouts = new LearnedTimeouts();
  /** In flight, in the order they were handed over. */
  readonly calls: Call[] = [];
  readonly credits: number[] = [];
  submitted = 0;
  /** Thrown by the next `submit`. */
  refusal: KeylaneError | undefined = undefined;
  /** Keys whose calls wait: no shard has them yet. */
  readonly queued = new Set<string>();

  parse(request: unknown) {
    const key = String(request);
    if (key.startsWith('bad')) throw new KeylaneError('ERR_INPUT', `${key} is no host`);
    return { key, lane: key, target: null, request };
  }

  ok(response: unknown): boolean {
    return response !== 'no';
  }

  submit(parsed: ReturnType<FakeHost['parse']>, how: Parameters<BatchHost['submit']>[1], events: CallEvents): Call {
    if (how.signal.aborted) throw new KeylaneError('ERR_CANCELED');
    if (this.refusal) throw this.refusal;
    const call = new Call('echo', parsed, { ...how, mode: 'once', now: this.clock.now() }, events);
    this.submitted++;
    if (!this.queued.has(call.key)) call.shard = 0;
    this.calls.push(call);
    how.signal.addEventListener('abort', () => this.settle(call, undefined, new KeylaneError('ERR_CANCELED')));
    return call;
  }

  recall(_signal: AbortSignal, why: () => KeylaneError): void {
    for (const call of this.calls.filter(({ shard }) => shard < 0)) this.settle(call, undefined, why());
  }

  credit(_call: Call, bytes: number): void {
    this.credits.push(bytes);
  }

  settle(call: Call, response: unknown, error?: KeylaneError): void {
    const at = this.calls.indexOf(call);
    if (at >= 0) this.calls.splice(at, 1);
    call.settle(response, error);
  }

  /** Settles the oldest call of a key, when it is there, and lets the batch hear of it. */
  async answer(key: string, response: unknown = 'yes', error?: KeylaneError): Promise<void> {
    await settled();
    const call = this.calls.find((one) => one.key === key);
    if (!call) throw new Error(`${key} is not in flight`);
    this.settle(call, response, error);
    await settled();
  }

  get keys(): string[] {
    return this.calls.map(({ key }) => key);
  }
}

export type Requests = Iterable<string> | AsyncIterable<string>;

export function setUp(requests: Requests, options: BatchOptions<string> = {}) {
  return setUpInput({ kind: 'requests', from: requests }, options);
}

/** With a journal where there is one. */
export function setUpInput(input: Input<string>, options: BatchOptions<string> = {}, journal?: Journal) {
  const host = new FakeHost();
  const journalHost = journal && { id: journal.id, open: async () => journal, ended: () => {} };
  return { host, batch: new Batch<string, string>(host, input, options, journalHost) };
}

/** Reads to the end; `error` is what the loop threw. */
export async function readAll(batch: Batch<string, string>) {
  const results: Result<string, string>[] = [];
  try {
    for await (const result of batch) results.push(result);
  } catch (error) {
    return { results, error };
  }
  return { results, error: undefined };
}

export const lost = () => new KeylaneError('ERR_CONNECTION_LOST');
export const refused = () => new KeylaneError('ERR_CONNECT');
export const outcomes = (results: readonly Result[]) => results.map(({ outcome }) => outcome);
