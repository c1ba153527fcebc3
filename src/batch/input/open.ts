import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { IndexedJob, InputIdentity } from '../../batch-types.js';
import { KeylaneError } from '../../errors.js';
import { OWN_DRIVER_NAMES } from '../../specs/request-check.js';
import { FileJobs, type OpenedJobs } from './file-jobs.js';
import { checkAll } from './first-pass.js';
import { InputFile, type Known, unreadable } from './input-file.js';
import { shown } from './job-check.js';
import { putAside } from './put-aside.js';
import { Spool } from './spool.js';

export interface OpenJobsOptions {
  /** @default by the file's name (`.csv`), else by its first character: `{` is NDJSON, `[` JSON */
  format?: InputIdentity['format'];
  /** The driver of jobs that name none. @default 'ssh' */
  driver?: string;
  /** Drivers of one's own that a job may name, besides keylane's. @default any */
  drivers?: readonly string[];
  /** An `ssh` command with `{column}` fields, each quoted as one word. Records are rows then: cells by their names. */
  template?: string;
  /** A file for the records that are bad. Without it they are an error. */
  skipBad?: string;
  /** Where a copy of what cannot be read twice is kept (of stdin, of a pipe): the directory of the batch. */
  spoolDir?: string;
  /** What messages call a stream. @default 'stdin' */
  name?: string;
  /** Asked for each job that is otherwise good: what it throws (a KeylaneError) makes it a bad one. */
  check?: (driver: string, request: unknown) => void;
}

/**
 * Opens the jobs of a file or a stream: NDJSON (a job a line), CSV (a row a job, the first one names the columns) or JSON
 * (an array of jobs). Every job is checked before this resolves, in little memory however many there are.
 *
 * @throws KeylaneError `ERR_INPUT` that tells the first 20 bad records as `FILE:LINE: what is wrong`.
 */
export async function openJobs(from: string | Readable, options: OpenJobsOptions = {}): Promise<OpenedJobs> {
  const { driver = 'ssh', template, spoolDir, name = 'stdin' } = options;
  if (template !== undefined && driver !== 'ssh')
    throw new KeylaneError('ERR_INPUT', `\`template\` is a command of ssh, and the driver is ${driver}`);
  const source = typeof from === 'string' ? await sourceOf(from) : { name, stream: from };
  if (!('stream' in source)) return await opened(source.path, source.name, false, options);
  if (spoolDir === undefined)
    throw new KeylaneError(
      'ERR_INPUT',
      `${source.name} cannot be read twice: give \`spoolDir\`, where a copy of it is kept`,
    );
  const copy = await Spool.open(spoolDir);
  try {
    await copy.fill(readable(source.stream, source.name));
    const format = await formatOf(copy.path, source.name, options.format);
    await copy.keep(format);
    return await opened(copy.path, source.name, true, { ...options, format });
  } catch (error) {
    await copy.remove();
    throw error;
  }
}

/**
 * Opens the jobs of a batch again. `dir` is the batch's directory, where its own copies are.
 *
 * @throws KeylaneError `ERR_INPUT` where the file is not there, or is not what it was, byte for byte.
 */
export async function reopenJobs(identity: InputIdentity, { dir }: { dir?: string } = {}): Promise<OpenedJobs> {
  const { format, driver, template, spooled } = identity;
  const path = spooled && dir !== undefined ? join(dir, basename(identity.path)) : identity.path;
  const file = new InputFile({ path, name: path, format, driver, template });
  await file.confirm(identity);
  const bad = { count: 0, lines: [] };
  const { total } = identity;
  const about = { identity: { ...identity, path }, bad };
  if (total !== undefined && !identity.after) return new FileJobs(file, { ...about, total, named: new Map() });
  const checked = await checkAll(file, { driver, drivers: undefined }, false, identity.skipped);
  return new FileJobs(file, { ...about, total: checked.total, named: checked.named });
}

/**
 * Writes jobs as the input of a new batch, into its directory. Each keeps its id. `done` tells which ids of jobs that are
 * not among them need not be waited for any more: the others are an error.
 */
export async function spoolJobs(
  dir: string,
  jobs: AsyncIterable<IndexedJob> | Iterable<IndexedJob>,
  { driver = 'ssh', done = () => false }: { driver?: string; done?: (id: string) => boolean } = {},
): Promise<OpenedJobs> {
  const copy = await Spool.open(dir);
  try {
    await copy.fill(linesOf(jobs, driver, done));
    await copy.keep('ndjson');
    return await opened(copy.path, copy.path, true, { format: 'ndjson', driver });
  } catch (error) {
    await copy.remove();
    throw error;
  }
}

async function opened(path: string, name: string, spooled: boolean, options: OpenJobsOptions): Promise<OpenedJobs> {
  const { driver = 'ssh', drivers, template, skipBad, check } = options;
  const format = await formatOf(path, name, options.format);
  const file = new InputFile({ path, name, format, driver, template });
  const known = drivers && new Set([...OWN_DRIVER_NAMES, ...drivers]);
  if (known && !known.has(driver))
    throw new KeylaneError('ERR_INPUT', `there is no driver \`${shown(driver)}\`, but ${[...known].join(', ')}`);
  const { total, named, after, problems, skipped } = await checkAll(
    file,
    { driver, drivers: known, check },
    skipBad !== undefined,
  );
  if (skipBad !== undefined && skipped.length > 0) await putAside(file, new Set(skipped), skipBad);
  const { bytes, sha256 } = file.known as Known;
  const identity: InputIdentity = {
    path,
    spooled,
    format,
    bytes,
    sha256,
    driver,
    total,
    ...(after && { after }),
    ...(template !== undefined && { template }),
    ...(skipped.length > 0 && { skipped: [...skipped] }),
  };
  return new FileJobs(file, { identity, total, named, bad: { count: problems.count, lines: problems.lines() } });
}

async function* readable(stream: Readable, name: string): AsyncGenerator<unknown> {
  try {
    yield* stream;
  } catch (error) {
    throw error instanceof KeylaneError ? error : unreadable(name, error);
  }
}

async function* linesOf(
  jobs: AsyncIterable<IndexedJob> | Iterable<IndexedJob>,
  usual: string,
  done: (id: string) => boolean,
): AsyncGenerator<Buffer> {
  let text = '';
  for await (const { index, id = String(index), driver = usual, after, ...rest } of jobs) {
    const left = after?.filter((other) => !done(other)) ?? [];
    text += `${JSON.stringify({ id, driver, ...rest, ...(left.length > 0 && { after: left }) })}\n`;
    if (text.length < 1 << 18) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** What is no file is read once: a pipe, a device. */
async function sourceOf(from: string): Promise<{ name: string; path: string } | { name: string; stream: Readable }> {
  const path = resolve(from);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Error('it is a directory');
    return found.isFile() ? { name: from, path } : { name: from, stream: createReadStream(path) };
  } catch (error) {
    throw unreadable(from, error);
  }
}

const FORMATS: readonly unknown[] = ['ndjson', 'csv', 'json'] satisfies InputIdentity['format'][];
/** Of what an input may begin with, and what to do with it. */
const OTHERS: readonly { begins: string; is: string; fix: string }[] = [
  { begins: '1f8b', is: 'compressed by gzip', fix: 'unpack it first (`gunzip -c FILE | keylane batch run -`)' },
  { begins: '28b52ffd', is: 'compressed by zstd', fix: 'unpack it first (`zstd -dc FILE | keylane batch run -`)' },
  { begins: 'fd377a585a', is: 'compressed by xz', fix: 'unpack it first (`xz -dc FILE | keylane batch run -`)' },
  { begins: '504b0304', is: 'a zip archive (or a workbook)', fix: 'unpack it, or save it as CSV' },
  { begins: 'fffe', is: 'UTF-16', fix: 'write it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)' },
  { begins: 'feff', is: 'UTF-16', fix: 'write it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)' },
];

async function formatOf(path: string, name: string, asked: unknown): Promise<InputIdentity['format']> {
  if (asked !== undefined && !FORMATS.includes(asked))
    throw new KeylaneError(
      'ERR_INPUT',
      `\`format\` must be one of ${FORMATS.join(', ')}, not ${JSON.stringify(asked)}`,
    );
  const head = await headOf(path, name);
  const hex = head.toString('hex', 0, 8);
  const other = OTHERS.find(({ begins }) => hex.startsWith(begins));
  if (other) throw new KeylaneError('ERR_INPUT', `${name}: is ${other.is}; ${other.fix}`);
  if (asked !== undefined) return asked as InputIdentity['format'];
  if (extname(name).toLowerCase() === '.csv') return 'csv';
  const begins = head
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()[0];
  if (begins === '[') return 'json';
  if (begins === '{' || /\.(ndjson|jsonl)$/i.test(name)) return 'ndjson';
  throw new KeylaneError(
    'ERR_INPUT',
    begins === undefined
      ? `${name}: holds no jobs`
      : `${name}: begins neither with \`{\` (NDJSON) nor with \`[\` (JSON); say what it is with \`format\` (--from ndjson, csv or json)`,
  );
}

async function headOf(path: string, name: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4_096), 0, 4_096, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(name, error);
  }
}
