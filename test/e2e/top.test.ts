import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { descendants } from '../support/process-tree.ts';
import { Serving } from '../support/serve.ts';
import { Cli, MAIN, run } from './exec-cli.ts';

const ENTER = '\u001b[?1049h';
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal is sent
const TITLE_ALONE = /up \d+ s\u001b\[0m\u001b\[K/;
const LEAVE = '\u001b[?1049l';

let serving: Serving;
beforeAll(async () => {
  serving = await Serving.start();
  await serving.echo(0);
});

const argv = (of: Serving = serving) => [
  ...['top', '--config', 'none', '--url', of.url],
  ...['--token-file', join(of.dataDir, 'serve.token')],
];

/** `keylane top` on a terminal of its own. */
class OnTerminal {
  shown = '';
  readonly #child;
  readonly #closed: Promise<unknown[]>;
  #changed: (() => void)[] = [];

  constructor(args: readonly string[], { columns = 100, rows = 40 } = {}) {
    const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
    const line = `stty cols ${columns} rows ${rows}; exec ${words}`;
    this.#child = spawn('script', ['-qec', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' },
    });
    this.#closed = once(this.#child, 'close');
    void this.#closed.then(() => this.#tell());
    onTestFinished(() => void this.#child.kill('SIGKILL'));
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
      this.#tell();
    });
  }

  press(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Resolves when the text is shown after what was shown until now. */
  async until(text: string | RegExp): Promise<void> {
    const from = this.shown.length;
    const has = () =>
      typeof text === 'string' ? this.shown.slice(from).includes(text) : text.test(this.shown.slice(from));
    while (!has()) {
      if (this.#child.exitCode !== null) throw new Error(`ended without ${String(text)}: ${this.shown.slice(from)}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** The process of the command itself. */
  get pid(): number {
    const found = descendants(this.#child.pid!).find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0top\0'),
    );
    if (found === undefined) throw new Error('it does not run');
    return found;
  }

  /** As a window is dragged. */
  async resize(columns: number, rows: number): Promise<void> {
    const tty = readlinkSync(`/proc/${this.pid}/fd/1`);
    await once(spawn('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)]), 'close');
  }

  async end(): Promise<number | null> {
    const [status] = await this.#closed;
    return status as number | null;
  }

  #tell(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const call of changed) call();
  }
}

test('without a terminal it prints one snapshot, as text or JSON', async () => {
  const [text, json] = await Promise.all([run(argv()), run([...argv(), '--format', 'json'])]);
  expect(text.err).toBe('');
  expect(text.status).toBe(0);
  expect(text.out).toContain(`keylane `);
  expect(text.out).toContain('SHARD');
  expect(text.out).not.toContain('\u001b');
  expect(JSON.parse(json.out)).toMatchObject({ stats: { engine: { shards: [{ state: 'serving' }] } }, batches: [] });
});

test('as ndjson it is a line each second, until it is terminated', async () => {
  const lines = new Cli([...argv(), '--format', 'ndjson']);
  await lines.until('out', '\n', 2);
  lines.child.kill('SIGTERM');
  const { status, out } = await lines.end();
  expect(status).toBe(143);
  const [first, second] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { stats: { at: number } });
  expect(second!.stats.at).toBeGreaterThan(first!.stats.at);
});

test('without a token, or with a wrong one, it says what is missing', async () => {
  const wrong = new Cli(['top', '--url', serving.url, '--once'], { KEYLANE_TOKEN: 'no-such-token' });
  const elsewhere = await run(['top', '--url', 'https://keylane.invalid', '--once']);
  expect(elsewhere.status).toBe(2);
  expect(elsewhere.err).toContain('--token-file');
  const { status, err } = await wrong.end();
  expect(status).toBe(3);
  expect(err).toContain('ERR_UNAUTHENTICATED');
  expect(err).not.toContain('no-such-token');
});

test('on a terminal it is live, obeys its keys, and leaves the screen as it was', async () => {
  const terminal = new OnTerminal(argv());
  await terminal.until('SHARD');
  expect(terminal.shown.startsWith(ENTER)).toBe(true);
  terminal.press('s');
  await terminal.until('sort: time');
  terminal.press('p');
  await terminal.until('paused');
  terminal.press('p');
  await terminal.until('p pause');
  void serving.echo(30_000).catch(() => {});
  await terminal.until('in flight 1');
  await terminal.resize(60, 12);
  // There is no room beside it for the keys.
  await terminal.until(TITLE_ALONE);
  terminal.press('\u001b[B');
  terminal.press('q');
  expect(await terminal.end()).toBe(0);
  expect(terminal.shown.endsWith(`\u001b[?25h${LEAVE}`)).toBe(true);
});

test('the screen is as it was after Ctrl-C, and after SIGTERM', async () => {
  const ends: [(terminal: OnTerminal) => void, number][] = [
    [(terminal) => terminal.press('\u0003'), 130],
    [(terminal) => void process.kill(terminal.pid, 'SIGTERM'), 143],
  ];
  const ended = ends.map(async ([end, status]) => {
    const terminal = new OnTerminal(argv());
    await terminal.until('SHARD');
    end(terminal);
    expect(await terminal.end()).toBe(status);
    expect(terminal.shown.endsWith(LEAVE)).toBe(true);
  });
  await Promise.all(ended);
});

test('a service that dies is said to be away, and is seen again when it is back', async () => {
  const other = await Serving.start(['--no-restart']);
  const terminal = new OnTerminal(argv(other));
  await terminal.until('SHARD');
  const hanging = [{ driver: 'echo', request: { key: 'a', fault: 'hang' } }];
  await other.ask('/v1/batches', { body: hanging, headers: { 'idempotency-key': 'one' } });
  await terminal.until('BATCHES  1 running');
  const { port } = other;
  other.child.kill('SIGKILL');
  await terminal.until('no answer, asking again');
  expect(terminal.shown).toContain('SHARD');
  const back = new Cli([
    'serve',
    '--config',
    'none',
    '--listen',
    `127.0.0.1:${port}`,
    '--data-dir',
    other.dataDir,
    '--shards',
    '1',
  ]);
  onTestFinished(() => void back.child.kill('SIGKILL'));
  await back.until('out', '\n');
  await terminal.until(/up \d+ s(?![\s\S]*no answer)/);
  terminal.press('q');
  expect(await terminal.end()).toBe(0);
  expect(readdirSync(other.dataDir)).toContain('serve.token');
});
