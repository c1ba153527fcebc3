import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { until } from '../support/engine.ts';

const PARENT = fileURLToPath(new URL('../support/programs/restart-parent.mjs', import.meta.url));

const STARTED: Work[] = [];
afterAll(() => {
  for (const work of STARTED) work.signal('SIGKILL', -work.pid);
});

/** W7: a process that can only die, and the one above it. */
class Work {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly end: Promise<number | string>;

  constructor(...args: string[]) {
    // In a process group of its own, as on a terminal.
    this.child = spawn(process.execPath, [PARENT, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    STARTED.push(this);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.end = once(this.child, 'close').then(([status, signal]) => signal ?? status);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get lives(): string[] {
    return this.out.split('\n').filter((line) => line.startsWith('life'));
  }

  get workPid(): number {
    return Number(this.lives.at(-1)?.split(' ')[2]);
  }

  signal(name: NodeJS.Signals, pid = this.pid): void {
    try {
      process.kill(pid, name);
    } catch {
      // It has gone.
    }
  }
}

describe.concurrent('a process that dies', () => {
  test.each([
    ['abort', 4],
    ['SIGBUS', 2],
    ['SIGKILL', 2],
  ])('of %s is started again with what it left to go on, and its status is told', async (how, last) => {
    const work = new Work('1', String(last), how);
    expect(await work.end).toBe(3);
    expect(work.lives).toHaveLength(last);
    expect(work.err).toContain(`the process died (${how === 'abort' ? 'SIGABRT' : how}`);
    expect(work.err).toContain(`going on (restart ${last - 1} of 5): keylane ${last} ${last} ${how}`);
  });

  test('again and again is left at the sixth time, with the way to go on', async () => {
    const work = new Work('1', 'never', 'abort');
    expect(await work.end).toBe(134);
    expect(work.lives).toHaveLength(6);
    expect(work.err).toContain('for the 6th time within 10 minutes; go on with: keylane 7 never abort');
  });

  test('before it had begun is not started again', async () => {
    const work = new Work('1', '2', 'early');
    expect(await work.end).toBe(134);
    expect(work.lives).toHaveLength(1);
    expect(work.err).toContain('keylane: the process died (SIGABRT) before there was anything to resume\n');
  });

  test('after it was asked to end is not started again', async () => {
    const work = new Work('1', '2', 'wait');
    await until(() => work.lives.length === 1);
    work.signal('SIGINT');
    await until(() => work.out.includes('SIGINT 1'));
    work.signal('SIGABRT', work.workPid);
    expect(await work.end).toBe(130);
    expect(work.lives).toHaveLength(1);
    expect(work.err).toContain('go on with: keylane 2 2 wait');
  });
});

describe.concurrent('a signal', () => {
  test('counts once, whether all of the terminal get it, the process above or the process below', async () => {
    const work = new Work('1', '2', 'wait');
    await until(() => work.lives.length === 1);
    work.signal('SIGINT', -work.pid);
    await until(() => work.out.includes('SIGINT 1'));
    work.signal('SIGINT');
    await until(() => work.out.includes('SIGINT 2'));
    work.signal('SIGINT', -work.pid);
    expect(await work.end).toBe(130);
    expect(work.out.match(/SIGINT/g)).toHaveLength(3);
  });

  test('that pauses reaches the process below, and a death after it is not the end', async () => {
    const work = new Work('1', '2', 'wait');
    await until(() => work.lives.length === 1);
    work.signal('SIGUSR2');
    await until(() => work.out.includes('SIGUSR2'));
    work.signal('SIGABRT', work.workPid);
    expect(await work.end).toBe(3);
  });

  test('to the process above reaches one that it started again', async () => {
    const work = new Work('1', 'never', 'wait');
    await until(() => work.lives.length === 1);
    work.signal('SIGKILL', work.workPid);
    await until(() => work.lives.length === 2);
    work.signal('SIGTERM');
    expect(await work.end).toBe(143);
  });

  test('that kills the process above ends the one below', async () => {
    const work = new Work('1', 'never', 'wait');
    await until(() => work.lives.length === 1);
    const { workPid } = work;
    work.signal('SIGKILL');
    expect(await work.end).toBe('SIGKILL');
    await until(() => !existsSync(`/proc/${workPid}`));
  });
});
