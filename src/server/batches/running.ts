import type { Logger } from 'pino';
import { type Batch, type BatchProgress, KeylaneError, type Result } from '../../index.js';

/** A batch with a journal that this service runs. Who wants its results reads them there. */
export class RunningBatch {
  readonly id: string;
  /** When it has ended here, however. Never rejects. */
  readonly ended: Promise<void>;
  readonly #batch: Batch<unknown, unknown>;

  constructor(
    id: string,
    batch: Batch<unknown, unknown>,
    { log, settled }: { log: Logger; settled: (result: Result) => void },
  ) {
    this.id = id;
    this.#batch = batch;
    this.ended = this.#run(log, settled);
  }

  get isPaused(): boolean {
    return this.#batch.progress.paused;
  }

  get progress(): BatchProgress {
    return this.#batch.progress;
  }

  pause(): void {
    this.#batch.pause();
  }

  unpause(): void {
    this.#batch.resume();
  }

  /** Starts nothing more: another process, or this one, goes on with it. */
  leave(): void {
    this.#batch.drain();
  }

  async #run(log: Logger, settled: (result: Result) => void): Promise<void> {
    try {
      for await (const result of this.#batch) settled(result);
      log.info({ batch: this.id, state: this.#batch.progress.state }, 'a batch has ended');
    } catch (error) {
      const { code, message } = error instanceof KeylaneError ? error : new KeylaneError('ERR_INPUT', String(error));
      const text = 'a batch was interrupted; `POST /v1/batches/:id/resume`, or a restart, goes on with it';
      if (code === 'ERR_CLOSED') log.info({ batch: this.id }, text);
      else log.error({ batch: this.id, code, reason: message }, text);
    }
  }
}
