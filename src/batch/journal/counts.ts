/** What the journals of an engine have written, all together, since it was made. */
export interface JournalCounts {
  /** Times that something was flushed to the disk. */
  commits: number;
  /** Requests of which it was written that they are about to leave, and results. */
  begun: number;
  results: number;
  /** Of the lines of results. */
  bytes: number;
  /** Milliseconds that the last commit took, and all of them together. */
  lastCommitMs: number;
  commitMs: number;
  /** Commits that failed: each ended its batch. */
  failed: number;
}

export function noCounts(): JournalCounts {
  return { commits: 0, begun: 0, results: 0, bytes: 0, lastCommitMs: 0, commitMs: 0, failed: 0 };
}
