import { statSync } from 'node:fs';
import type { BatchSummary, Engine } from '../../index.js';

const MOST_KEPT = 10_000;

interface Ended {
  summary: BatchSummary;
  /** Of the batch's directory: another of the same id, made when that one was removed, has another. */
  stamp: string;
}

/**
 * What batches are. Those that have ended are remembered, as they never change again: to open a store takes 8 ms of the
 * main thread (measured here, with its flush), and a dashboard asks again and again.
 */
export class Summaries {
  readonly #batches: Engine['batches'];
  readonly #ended = new Map<string, Ended>();
  #listing: Promise<BatchSummary[]> | undefined = undefined;

  constructor(batches: Engine['batches']) {
    this.#batches = batches;
  }

  /** As `batches.show`. */
  async show(id: string): Promise<BatchSummary> {
    const known = this.#known(id);
    if (known) return known;
    const stamp = this.#stampOf(id);
    const summary = await this.#batches.show(id);
    this.#keep(summary, stamp);
    return summary;
  }

  /** As `batches.list`. Who asks while others wait waits with them. */
  list(): Promise<BatchSummary[]> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #list(): Promise<BatchSummary[]> {
    const stamps = new Map<string, string | undefined>();
    const known = (id: string) => {
      const summary = this.#known(id);
      if (!summary) stamps.set(id, this.#stampOf(id));
      return summary;
    };
    const all = await this.#batches.list({ known });
    for (const summary of all) if (stamps.has(summary.id)) this.#keep(summary, stamps.get(summary.id));
    return all;
  }

  #known(id: string): BatchSummary | undefined {
    const found = this.#ended.get(id);
    if (!found) return undefined;
    if (found.stamp === this.#stampOf(id)) return found.summary;
    this.#ended.delete(id);
    return undefined;
  }

  #keep(summary: BatchSummary, stamp: string | undefined): void {
    const { id, state, error } = summary;
    if (error || stamp === undefined || state === 'running' || state === 'interrupted') return;
    this.#ended.set(id, { summary, stamp });
    const [first] = this.#ended.keys();
    if (this.#ended.size > MOST_KEPT && first !== undefined) this.#ended.delete(first);
  }

  #stampOf(id: string): string | undefined {
    try {
      const { ino, birthtimeMs } = statSync(this.#batches.directory(id));
      return `${ino}:${birthtimeMs}`;
    } catch {
      return undefined;
    }
  }
}
