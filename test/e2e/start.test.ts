import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Cli } from './exec-cli.ts';

const asModule = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;

/** Notes each module that the process loads. */
const HOOKS = asModule(`
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, next) {
    appendFileSync(process.env.LOADED, process.pid + ' ' + url + '\\n');
    return next(url, context);
  }`);
const NOTE = asModule(`import { register } from 'node:module'; register(${JSON.stringify(HOOKS)});`);

async function loadedBy(...args: string[]) {
  const dir = mkdtempSync(join(tmpdir(), 'keylane-start-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'loaded');
  writeFileSync(file, '');
  const { status } = await new Cli(args, { NODE_OPTIONS: `--import ${NOTE}`, LOADED: file }).end();
  return { status, loaded: readFileSync(file, 'utf8') };
}

test('help and mistakes load the flags alone, not the engine: they are 0.15 s of CPU sooner there', async () => {
  for (const [args, status] of [
    [['exec', '--help'], 0],
    [['accounts', '--help'], 0],
    [['batch', 'run', '--help'], 0],
    [['exec', '--nope'], 2],
  ] as const) {
    const ran = await loadedBy(...args);
    expect(ran.status).toBe(status);
    expect(ran.loaded).toContain('/chunks/flags.js');
    expect(ran.loaded).not.toMatch(/chunks\/(engine|zod)\.js/);
  }
});

test('a command loads no parser that it does not need', async () => {
  const { loaded } = await loadedBy('report', '--data-dir', '/nowhere');
  expect(loaded).toContain('/chunks/engine.js');
  expect(loaded).not.toMatch(/csv-parse|node_modules\/(yaml|piscina|lmdb|openid-client|ssh2)\//);
});

test('the process above one that can be started again loads nothing of it', async () => {
  const { loaded } = await loadedBy('batch', 'run', '/nowhere');
  const lines = loaded.trim().split('\n');
  const pidOf = (line: string | undefined) => line?.split(' ')[0];
  const above = lines.filter((line) => pidOf(line) === pidOf(lines[0])).join('\n');
  const below = lines.filter((line) => pidOf(line) !== pidOf(lines[0])).join('\n');
  expect(below).toContain('/chunks/engine.js');
  expect(above).toContain('/chunks/restart.js');
  expect(above).not.toMatch(/chunks\/(?!restart)|node_modules/);
});
