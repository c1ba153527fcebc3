import type { IndexedJob, InputIdentity, JobSource } from '../../batch-types.js';
import type { InputFile } from './input-file.js';

/** The jobs of a file that was checked. */
export interface OpenedJobs extends JobSource {
  readonly identity: InputIdentity;
  readonly total: number;
  /** Ids that other jobs wait for (`after`), and the indexes of their jobs: what else must be remembered of them is nothing. */
  readonly named: ReadonlyMap<string, number>;
  /** What was put aside: how many, and the first 20 as `FILE:LINE: what is wrong`. */
  readonly bad: { count: number; lines: readonly string[] };
}

export class FileJobs implements OpenedJobs {
  readonly identity: InputIdentity;
  readonly total: number;
  readonly named: ReadonlyMap<string, number>;
  readonly bad: OpenedJobs['bad'];
  readonly #file: InputFile;
  readonly #skipped: ReadonlySet<number>;

  constructor(file: InputFile, about: Pick<OpenedJobs, 'identity' | 'total' | 'named' | 'bad'>) {
    this.identity = about.identity;
    this.total = about.total;
    this.named = about.named;
    this.bad = about.bad;
    this.#file = file;
    this.#skipped = new Set(about.identity.skipped);
  }

  /** `wanted` is asked a piece of the file (256 KiB) ahead. Rejects with `ERR_INPUT` where the file has changed. */
  async *read(wanted: (index: number) => boolean): AsyncGenerator<IndexedJob> {
    let index = 0;
    for await (const { block, decoder, first, markOf } of this.#file.pieces()) {
      const picked: number[] = [];
      const indexes: number[] = [];
      const { count } = block.records;
      for (let record = first; record < count; record++) {
        if (this.#skipped.size > 0 && this.#skipped.has(markOf(record))) continue;
        if (wanted(index)) {
          picked.push(record);
          indexes.push(index);
        }
        index++;
      }
      if (picked.length === 0) continue;
      decoder.begin(block, picked);
      for (let at = 0; at < picked.length; at++) {
        const job = decoder.job(at) as IndexedJob;
        job.index = indexes[at] as number;
        yield job;
      }
    }
  }
}
