import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const LONG = process.env.KEYLANE_LONG !== undefined;
/** A million lines may take 200 MB of the whole process, which has loaded all of keylane: 73 MB are there before the first. */
const MOST_MB = LONG ? 200 : 170;
const PROGRAM = fileURLToPath(new URL('../support/programs/open-jobs.mjs', import.meta.url));

const payload = (at: number) => `${at}`.padEnd(400, 'x');
const job = (at: number) =>
  JSON.stringify({ id: `job-${at}`, driver: 'echo', request: { key: `k${at}`, payload: payload(at) } });

test.each<[string, number, (at: number) => string, string, string]>([
  ['ndjson', 200_000, (at) => `${job(at)}\n`, '', ''],
  ['json', 50_000, (at) => (at === 0 ? job(at) : `,\n${job(at)}`), '[', ']'],
  ['csv', 50_000, (at) => `job-${at},echo,k${at},"${payload(at)}"\n`, 'id,driver,key,payload\n', ''],
  ['stdin', 100_000, (at) => `${job(at)}\n`, '', ''],
])(
  `a file of jobs is checked, read and read again in ${MOST_MB} MB: %s`,
  async (format, few, line, head, end) => {
    const lines = LONG ? 1_000_000 : few;
    const dir = mkdtempSync(join(tmpdir(), 'keylane-input-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, `jobs.${format}`);
    write(file, [head, ...Array.from({ length: lines }, (_, at) => at), end], line);
    const { total, read, most } = format === 'stdin' ? await run([file, join(dir, 'b')], file) : await run([file]);
    expect([total, read]).toEqual([lines, lines]);
    console.log(format, most);
    expect(most).toBeLessThan(MOST_MB);
  },
  600_000,
);

function write(file: string, parts: readonly (string | number)[], line: (at: number) => string): void {
  const fd = openSync(file, 'w');
  let text = '';
  for (const part of parts) {
    text += typeof part === 'string' ? part : line(part);
    if (text.length < 1 << 20) continue;
    writeSync(fd, text);
    text = '';
  }
  writeSync(fd, text);
  closeSync(fd);
}

async function run(args: readonly string[], stdin?: string): Promise<{ total: number; read: number; most: number }> {
  const from = stdin === undefined ? 'ignore' : openSync(stdin, 'r');
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: [from, 'pipe', 'inherit'] });
  let said = '';
  child.stdout?.on('data', (piece: Buffer) => {
    said += piece;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (typeof from === 'number') closeSync(from);
  expect(code).toBe(0);
  return JSON.parse(said);
}
