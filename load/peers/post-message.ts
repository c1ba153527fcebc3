import { Worker } from 'node:worker_threads';

/** The plainest way to ask a thread: one `postMessage` for a request, one for its answer. */
export class PostMessage {
  readonly #worker = new Worker(new URL('./echo-worker.js', import.meta.url), { argv: ['post-message'] });
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #lastId = 0;

  constructor() {
    this.#worker.on('message', ({ id, payload }: { id: number; payload: unknown }) => {
      const resolve = this.#waiting.get(id);
      this.#waiting.delete(id);
      resolve?.({ payload });
    });
  }

  run(key: string, payload: unknown): Promise<unknown> {
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, key, payload });
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
