import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { Line } from '../../../src/cli/batch-ordered.ts';
import { openOut } from '../../../src/cli/batch-out.ts';
import { BatchWriter } from '../../../src/cli/batch-writer.ts';
import { UsageError } from '../../../src/cli/io.ts';
import { Screen } from '../../../src/cli/screen.ts';
import { FakeIo } from './fake-exec.ts';

const lineOf = (index: number, more = '') =>
  `{"index":${index},"id":"j${index}","outcome":"ok","response":{"is":"${more}"}}`;
/** As they settled. */
const SETTLED = [2, 0, 1, 3].map((index) => ({ index, line: lineOf(index) }));

function file(text?: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-out-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'out.ndjson');
  if (text !== undefined) writeFileSync(path, text);
  return path;
}

async function* each(lines: readonly Line[]): AsyncGenerator<Line> {
  yield* lines;
}

/** Opens a file for a batch whose journal has these lines; what it has afterwards. */
async function completed(path: string, ordered = false, lines: readonly Line[] = SETTLED): Promise<string> {
  const out = await openOut(path, lines.length);
  const screen = new Screen(new FakeIo(), out.stream, () => {});
  const inOrder = [...lines].sort((a, b) => a.index - b.index);
  const kept = {
    settled: lines.length,
    after: (count: number) => each(lines.slice(count)),
    from: (index: number) => each(inOrder.filter((line) => line.index >= index)),
  };
  try {
    await new BatchWriter(screen, { ordered, file: out.file, kept, text: undefined }).begin();
  } finally {
    await screen.end();
    await finished(out.stream).catch(() => {});
  }
  return readFileSync(path, 'utf8');
}

const textOf = (lines: readonly Line[]) => lines.map(({ line }) => `${line}\n`).join('');
const WHOLE = textOf(SETTLED);
const ORDERED = textOf([...SETTLED].sort((a, b) => a.index - b.index));

it('completes a file that was cut anywhere, without a line twice', async () => {
  for (let at = 0; at <= WHOLE.length; at++) expect(await completed(file(WHOLE.slice(0, at)))).toBe(WHOLE);
  for (let at = 0; at <= ORDERED.length; at += 7)
    expect(await completed(file(ORDERED.slice(0, at)), true)).toBe(ORDERED);
  expect(await completed(file())).toBe(WHOLE);
});

it('makes the file for the owner alone', async () => {
  const path = file();
  await completed(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it('stops in index order at one that has no result yet', async () => {
  const some = SETTLED.filter(({ index }) => index !== 1);
  expect(await completed(file(), true, some)).toBe(`${lineOf(0)}\n`);
});

it('knows a line again whose answer the journal has dropped', async () => {
  const dropped = [
    { index: 0, line: '{"index":0,"id":"j0","outcome":"ok","response":{},"dropped":70000}' },
    SETTLED[2]!,
  ];
  const had = `${lineOf(0, 'long')}\n`;
  expect(await completed(file(had), false, dropped)).toBe(`${had}${SETTLED[2]!.line}\n`);
});

it.each([
  ['a text', 'this is not\nof a batch\n'],
  ['lines of another batch', `${lineOf(7)}\n`],
  ['more lines than were settled', `${WHOLE}${lineOf(4)}\n`],
  ['a text without a line end', 'notes'],
])('refuses %s by name, and leaves it as it is', async (_, text) => {
  const path = file(text);
  await expect(completed(path)).rejects.toThrow(UsageError);
  await expect(completed(path)).rejects.toThrow(`--out ${path}: it has lines that are not this batch's`);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('refuses what there is already where nothing was settled yet', async () => {
  const path = file(WHOLE);
  await expect(openOut(path, 0)).rejects.toThrow(path);
  expect(readFileSync(path, 'utf8')).toBe(WHOLE);
});

it('writes to what is no file without reading it', async () => {
  const { stream, file: none } = await openOut('/dev/null', 5);
  expect(none).toBeUndefined();
  stream.end('text');
  await finished(stream);
});
