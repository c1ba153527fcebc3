import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const JOURNAL_PROGRAM = fileURLToPath(new URL('./programs/batch-journal.mjs', import.meta.url));

/** What a process says of the journal that it opened, or was refused. */
export interface Said {
  pid?: number;
  settled?: number;
  ms: number;
  code?: string;
  message?: string;
}

/** A data directory that is gone when the test is. */
export function temporaryDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-journal-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A process of its own that opens the journal of `b1`. It is killed when the test ends. */
export function journalProcess(dataDir: string, what: 'hold' | 'race' | 'ack', how: 'new' | 'resume') {
  const child = spawn(process.execPath, [JOURNAL_PROGRAM, dataDir, what, how], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    ended,
    /** The next line that it prints; undefined where it has ended. */
    async says<T = Said>(): Promise<T | undefined> {
      const { value, done } = await lines.next();
      return done ? undefined : (JSON.parse(value) as T);
    },
    async kill(): Promise<void> {
      child.kill('SIGKILL');
      await ended;
    },
    async end(): Promise<void> {
      child.stdin.end();
      await ended;
    },
  };
}
