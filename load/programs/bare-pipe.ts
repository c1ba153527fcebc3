// The measured program with a child process, pipes and JSON and nothing else: all in one thread.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { runAll, type Work } from '../measure.js';
import { serveProgram } from '../program.js';

export type BarePipe = typeof steps;

let command: readonly string[];
let kept: Pipe;

const steps = {
  start(start: { command: readonly string[] }): void {
    command = start.command;
    kept = new Pipe(command);
  },

  /** Requests to one process. */
  run: ({ lanes, count, params }: { lanes: number; count: number; params: object }): Promise<Work> =>
    runAll(lanes, count, () => kept.ask(params)),

  /** A process for each request. */
  spawning: ({ lanes, count, params }: { lanes: number; count: number; params: object }): Promise<Work> =>
    runAll(lanes, count, async () => {
      const pipe = new Pipe(command);
      await pipe.ask(params);
      await pipe.end();
    }),
};

class Pipe {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #rest = '';
  #last = 0;

  constructor([file, ...argv]: readonly string[]) {
    this.#child = spawn(file!, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#read(text));
  }

  ask(params: object): Promise<unknown> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method: 'echo', params })}\n`);
    });
  }

  async end(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exit;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id, result } = JSON.parse(line) as { id: number; result: unknown };
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    }
  }
}

serveProgram(steps);
