import type { Batches, Clock } from '../index.js';
import type { ShowFlags } from './batch-flags.js';
import { showText } from './batch-text.js';
import { painter } from './colors.js';
import type { Io } from './io.js';

/** Not more often; and reading a large journal is never more than a fifth of the time. */
const EVERY_MS = 1_000;
const REST = 4;

/** `batch show`: once, or with `--follow` again and again until the batch has ended. Resolves with the exit status. */
export async function follow(id: string, flags: ShowFlags, batches: Batches, io: Io, clock: Clock): Promise<number> {
  const { stdout } = io;
  const isTerminal = stdout.isTTY === true;
  const paint = painter('auto', isTerminal, io.env);
  const plain = painter('never', false, io.env);
  const left = new AbortController();
  const leave = () => left.abort();
  let above = 0;
  if (flags.follow) {
    io.on('SIGINT', leave);
    stdout.on('error', leave);
  }
  try {
    for (;;) {
      const before = clock.now();
      const summary = await batches.show(id);
      const report = await batches.report(id);
      const isLast = !flags.follow || report.state !== 'running';
      if (flags.format !== 'text') stdout.write(printed([report], flags.format, !flags.follow));
      else if (isTerminal) {
        const text = showText(report, summary, paint);
        // Over the one before.
        stdout.write(above > 0 ? `\u001b[${above}A\u001b[0J${text}` : text);
        above = linesOn(showText(report, summary, plain), stdout.columns ?? 80);
      } else if (isLast) stdout.write(showText(report, summary, paint));
      if (isLast) return 0;
      await rested(Math.max(EVERY_MS, (clock.now() - before) * REST), left.signal, clock);
      if (left.signal.aborted) return 130;
    }
  } finally {
    io.off('SIGINT', leave);
  }
}

/** For programs. */
export function printed(found: readonly object[], format: 'json' | 'ndjson' | 'text', pretty = true): string {
  if (format === 'json' && pretty) return `${JSON.stringify(found, null, 2)}\n`;
  return found.map((one) => `${JSON.stringify(one)}\n`).join('');
}

/** How many lines of a terminal a text takes. */
function linesOn(text: string, columns: number): number {
  const lines = text.split('\n').slice(0, -1);
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
}

function rested(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.timer(ms, resolve);
    signal.addEventListener(
      'abort',
      () => {
        timer.cancel();
        resolve();
      },
      { once: true },
    );
  });
}
