import {
  type BatchOptions,
  type Engine,
  KeylaneError,
  type Result,
  type SshRequest,
  type SshResponse,
} from '../index.js';
import type { ExecEngine } from './exec-run.js';

/** Files at once: each holds a connection at both ends. */
const AT_ONCE = 16;

/** Copies from one host to others, through this process and without a file in it: an engine as `ExecRun` wants one. */
export class Relay implements ExecEngine {
  readonly #engine: Engine;
  readonly #from: SshRequest;

  constructor(engine: Engine, from: SshRequest) {
    this.#engine = engine;
    this.#from = from;
  }

  async *batch(
    _driver: 'ssh',
    requests: Iterable<SshRequest>,
    options: BatchOptions<SshRequest>,
  ): AsyncGenerator<Result<SshRequest, SshResponse>> {
    const input = requests[Symbol.iterator]();
    const { concurrency } = options;
    const atOnce = typeof concurrency === 'number' ? Math.min(AT_ONCE, concurrency) : AT_ONCE;
    const running = new Map<number, Promise<Result<SshRequest, SshResponse>>>();
    let index = 0;
    for (let more = true; more || running.size > 0; ) {
      while (more && running.size < atOnce) {
        const { done, value } = input.next();
        if (done) more = false;
        else running.set(index, this.#copy(index++, value, options));
      }
      if (running.size === 0) break;
      const result = await Promise.race(running.values());
      running.delete(result.index);
      yield result;
    }
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  destroy(reason?: string): Promise<void> {
    return this.#engine.destroy(reason);
  }

  async #copy(
    index: number,
    request: SshRequest,
    { timeoutMs, signal, labels }: BatchOptions<SshRequest>,
  ): Promise<Result<SshRequest, SshResponse>> {
    const options = { timeoutMs: typeof timeoutMs === 'number' ? timeoutMs : 0, ...(signal && { signal }) };
    const settled = {
      index,
      id: String(index),
      request,
      key: '',
      attempts: 1,
      shard: -1,
      reused: false,
      cache: 'none',
      history: [],
    } as const;
    const timing = { queuedMs: 0, openMs: 0, runMs: 0 };
    const from = this.#engine.stream('ssh', this.#from, options);
    const wanted = typeof labels === 'function' ? labels(request, index) : labels;
    // Not those of the source: both of one group whose limit is 1 would wait for each other.
    const to = this.#engine.stream('ssh', request, { ...options, ...(wanted && { labels: wanted }) });
    // Whichever end fails first is the reason; the other is called off with it.
    to.response.catch(() => from.cancel());
    try {
      for await (const { data } of from) await to.write(data);
      const read = await from.response;
      if (read.code !== 0) {
        to.cancel();
        await to.response.catch(() => undefined);
        return { ...settled, history: [], timing, outcome: 'failed', response: read };
      }
      to.end();
      const response = await to.response;
      return { ...settled, history: [], timing, outcome: response.code === 0 ? 'ok' : 'failed', response };
    } catch (thrown) {
      to.cancel();
      const reason = await to.response.then(
        () => thrown,
        (error: unknown) => (error instanceof KeylaneError && error.code !== 'ERR_CANCELED' ? error : thrown),
      );
      const error = reason instanceof KeylaneError ? reason : new KeylaneError('ERR_PROTOCOL', String(reason));
      return { ...settled, history: [], timing, outcome: error.outcome, error };
    }
  }
}
